// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	// stopTimeout is how long a process may take to end in order.
	stopTimeout = 15 * time.Second
	// loggedLines is how many lines of each log are shown when a step fails.
	loggedLines = 20
)

// process is one of operator, dispatcher and receiver.
type process struct {
	name    string
	logFile string
	cmd     *exec.Cmd
	done    chan struct{} // closed once it has ended and was waited for
}

// processes are those that run, in the order of their start.
type processes struct {
	dir  string
	list []*process
	// ended is told of each that has ended; what it does after the first is of no account.
	ended context.CancelCauseFunc
}

// start runs a program with its output in a log file of its name, and in tee too unless that is nil.
func (p *processes) start(name string, tee io.Writer, program string, args ...string) error {
	started := &process{name: name, logFile: filepath.Join(p.dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(started.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", name, err)
	}
	started.cmd = exec.Command(program, args...)
	started.cmd.SysProcAttr = dieWithParent()
	started.cmd.Stdout, started.cmd.Stderr = log, log
	if tee != nil {
		started.cmd.Stdout = io.MultiWriter(log, tee)
	}
	if err := started.cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	go func() {
		defer close(started.done)
		// How it ended is in its log and its state.
		_ = started.cmd.Wait()
		_ = log.Close()
		p.ended(fmt.Errorf("%s ended by itself: %s", name, started.cmd.ProcessState))
	}()
	p.list = append(p.list, started)
	return nil
}

// stop ends the processes in order, the last started first, and returns once they are gone.
func (p *processes) stop() {
	for _, process := range slices.Backward(p.list) {
		process.stop()
	}
	p.list = nil
}

func (p *process) stop() {
	// The only error is that it has ended already.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// tail returns the end of the log.
func (p *process) tail() []byte {
	log, err := os.ReadFile(p.logFile)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-loggedLines):], []byte("\n"))
}
