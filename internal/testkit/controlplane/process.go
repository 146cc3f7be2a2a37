// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// loggedLines is how many lines of a component's log go into an error about it.
const loggedLines = 12

// process is one running component.
type process struct {
	name    string
	logFile string
	cmd     *exec.Cmd
	done    chan struct{} // closed once the process has ended and was waited for
}

// kill ends the process and returns once it is gone.
func (p *process) kill() {
	// The only error is that it has ended already.
	_ = p.cmd.Process.Kill()
	<-p.done
}

// failure describes why a component is of no use, with the end of its log.
func (p *process) failure(what string) error {
	log, err := os.ReadFile(p.logFile)
	if err != nil {
		return fmt.Errorf("%s %s, and its log: %w", p.name, what, err)
	}
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	lines = lines[max(0, len(lines)-loggedLines):]
	return fmt.Errorf("%s %s; it logged last:\n%s", p.name, what, bytes.Join(lines, []byte("\n")))
}

// run starts a component, with its log in a file of its name. A later start appends to it.
func (c *ControlPlane) run(name string, flags []string) (*process, error) {
	p := &process{name: name, logFile: c.path(name + ".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	defer log.Close() //nolint:errcheck // the process has its own descriptor

	p.cmd = exec.Command(filepath.Join(c.assets, name), flags...)
	p.cmd.Dir = c.dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = dieWithParent()
	if err := c.launcher.start(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		// How it ended is in its log; who waits for it learns from done.
		_ = p.cmd.Wait()
	}()
	return p, nil
}

// launcher starts processes from one thread that lives until stop. Linux sends the parent-death signal when
// the thread that started a process ends, not when the program does (https://go.dev/issue/27505), and the
// Go runtime ends threads as it sees fit.
type launcher struct {
	requests chan func()
	stopped  chan struct{}
}

func newLauncher() *launcher {
	l := &launcher{requests: make(chan func()), stopped: make(chan struct{})}
	go func() {
		defer close(l.stopped)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for request := range l.requests {
			request()
		}
	}()
	return l
}

func (l *launcher) start(cmd *exec.Cmd) error {
	result := make(chan error)
	l.requests <- func() { result <- cmd.Start() }
	return <-result
}

// stop ends the launcher's goroutine; stopping twice is harmless.
func (l *launcher) stop() {
	select {
	case <-l.stopped:
	default:
		close(l.requests)
		<-l.stopped
	}
}
