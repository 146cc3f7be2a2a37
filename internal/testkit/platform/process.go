// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopPatience bounds the wait for a process that was asked to end: longer than its own bound.
const stopPatience = 100 * time.Second

// Process is an operator or a dispatcher that can be ended and started again.
type Process struct {
	name    string
	program string
	args    []string
	env     []string
	logFile string

	cmd *exec.Cmd
	// done is closed when the process has ended and was waited for; exit says how.
	done chan struct{}
	exit error
	// Started is when the process was started the last time, and Ended when it was seen to have ended.
	Started, Ended time.Time
}

// Start runs the process. One that runs already is an error.
func (p *Process) Start() error {
	if p.Running() {
		return fmt.Errorf("start %s: it runs already", p.name)
	}
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", p.name, err)
	}
	defer log.Close() //nolint:errcheck // the process has its own descriptor
	p.cmd = exec.Command(p.program, p.args...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = processAttributes()
	p.Started = time.Now()
	p.done = make(chan struct{})
	if err := launch(p.cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	go func(cmd *exec.Cmd, done chan struct{}) {
		p.exit = cmd.Wait()
		close(done)
	}(p.cmd, p.done)
	return nil
}

// Running reports whether the process was started and has not ended.
func (p *Process) Running() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the process as a crash does, and returns when it is gone.
func (p *Process) Kill() {
	if !p.Running() {
		return
	}
	_ = p.cmd.Process.Kill() // the only error is that it has ended already
	<-p.done
	p.Ended = time.Now()
}

// Stop asks the process to end, and returns when it has. An error says that it did not end in order.
func (p *Process) Stop() error {
	if !p.Running() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		p.Ended = time.Now()
		if p.exit != nil {
			return fmt.Errorf("stop %s: %w", p.name, p.exit)
		}
		return nil
	case <-time.After(stopPatience):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // its log then shows what it waits for
		<-p.done
		return fmt.Errorf("stop %s: it did not end within %s, see the goroutines in %s", p.name, stopPatience, p.logFile)
	}
}

// PID is the number of the running process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is the path of the file that every run of the process logs to.
func (p *Process) Log() string { return p.logFile }

// Tail is the end of the log, without the lines of the levels below warnings.
func (p *Process) Tail(lines int) string {
	all, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	var kept []string
	for line := range bytes.SplitSeq(bytes.TrimSpace(all), []byte("\n")) {
		if !bytes.Contains(line, []byte(`"level":"INFO"`)) {
			kept = append(kept, string(line))
		}
	}
	return strings.Join(kept[max(0, len(kept)-lines):], "\n")
}

// pollInterval is how often what is waited for is looked at.
const pollInterval = 20 * time.Millisecond

// Await calls check until it returns nil, and gives up with its last error when the context ends.
func Await(ctx context.Context, what string, check func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var last error
	for {
		err := check(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() == nil || last == nil: // the context's own end says nothing about what is waited for
			last = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, errors.Join(context.Cause(ctx), last))
		}
	}
}

// awaitAnswer waits until a page of a health address answers 200. It gives up when the process ends.
func (p *Process) awaitAnswer(ctx context.Context, health, page string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return Await(ctx, p.name+" answers at "+page, func(ctx context.Context) error {
		if !p.Running() {
			cancel(fmt.Errorf("%s ended: %w\n%s", p.name, p.exit, p.Tail(10)))
		}
		return get(ctx, "http://"+health+page)
	})
}

// get asks for a page, and returns an error unless the answer is 200.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, answer.Status)
	}
	return nil
}

// newProcess is a process of the binary, with its log in a directory.
func (p *Platform) newProcess(name, dir string, args []string) *Process {
	return &Process{name: name, program: p.Binary(name), args: args, logFile: filepath.Join(dir, name+".log")}
}
