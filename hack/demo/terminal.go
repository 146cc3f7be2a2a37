// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// indent is what stands before everything but the titles of the steps.
const indent = "   "

// terminal prints what the demo does. Steps and the receiver's output come from several goroutines.
type terminal struct {
	mu  sync.Mutex
	out io.Writer
}

// title begins a step.
func (t *terminal) title(format string, args ...any) {
	t.print("\n" + fmt.Sprintf(format, args...) + "\n")
}

// say prints a sentence about what happens, or what was seen.
func (t *terminal) say(format string, args ...any) {
	t.print(indent + fmt.Sprintf(format, args...) + "\n")
}

// command prints a command as the reader may type it.
func (t *terminal) command(line string) {
	t.print(indent + "$ " + strings.ReplaceAll(line, "\n", "\n"+indent+"    ") + "\n")
}

// output prints what a command printed.
func (t *terminal) output(text []byte) {
	text = bytes.TrimRight(text, "\n")
	if len(text) == 0 {
		return
	}
	t.print(indent + "  " + strings.ReplaceAll(string(text), "\n", "\n"+indent+"  ") + "\n")
}

func (t *terminal) print(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// Nobody reads on: the demo ends by SIGPIPE, or not at all.
	_, _ = io.WriteString(t.out, text)
}

// lines returns a writer that prints each line with a name before it.
func (t *terminal) lines(name string) io.Writer { return &lineWriter{terminal: t, name: name} }

// lineWriter is the output of a process on the terminal.
type lineWriter struct {
	terminal *terminal
	name     string
	rest     []byte
}

// Write prints the lines that are complete and keeps the rest.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.terminal.print(fmt.Sprintf("%s[%s] %s\n", indent, w.name, line))
		w.rest = rest
	}
}
