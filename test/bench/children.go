// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/posthorn-dev/posthorn/test/bench/load"
)

// child is a process of this binary in another part.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

// spawn starts a program and reads its first line.
func spawn(program string, args ...string) (*child, string, error) {
	c := &child{cmd: exec.Command(program, args...)}
	c.cmd.Stderr = os.Stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, "", fmt.Errorf("start %s: %w", args[0], err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, "", fmt.Errorf("start %s: %w", args[0], err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, "", fmt.Errorf("start %s: %w", args[0], err)
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("start %s: %w", args[0], err), c.stop())
	}
	return c, strings.TrimSpace(line), nil
}

// begin lets a process that waits for it begin.
func (c *child) begin() error {
	_, err := io.WriteString(c.stdin, "go\n")
	return err
}

// end waits until the process has ended by itself, and returns what it printed.
func (c *child) end() ([]byte, error) {
	printed, err := io.ReadAll(c.out)
	return printed, errors.Join(err, c.cmd.Wait())
}

// stop ends a process that serves until its input ends.
func (c *child) stop() error {
	return errors.Join(c.stdin.Close(), c.cmd.Wait())
}

// receiver is the process that takes all requests.
type receiver struct {
	*child
	// address is where requests go, control where it is told what to expect.
	address, control string
}

func (s *session) startReceiver() (*receiver, error) {
	c, line, err := spawn(s.program, "receiver")
	if err != nil {
		return nil, err
	}
	address, control, _ := strings.Cut(line, " ")
	return &receiver{c, address, control}, nil
}

// url is that of a path on the receiver.
func (r *receiver) url(path string) string { return "http://" + r.address + path }

// call asks the receiver for something, and decodes the answer unless into is nil.
func (r *receiver) call(ctx context.Context, method, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.control+path, bytes.NewReader(encoded))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask receiver: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("ask receiver for %s: %s", path, answer.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// expect begins a run.
func (r *receiver) expect(ctx context.Context, e load.Expectation) error {
	return r.call(ctx, http.MethodPost, "/expect", e, nil)
}

// watch names the process whose CPU time is counted.
func (r *receiver) watch(ctx context.Context, pid int) error {
	return r.call(ctx, http.MethodPost, "/watch?pid="+strconv.Itoa(pid), nil, nil)
}

// receipt waits until all of an expectation has come, and returns an error unless each came exactly once.
func (r *receiver) receipt(ctx context.Context, e load.Expectation, patience time.Duration) (load.Receipt, error) {
	var got load.Receipt
	if err := r.call(ctx, http.MethodGet, "/receipt?wait="+patience.String(), nil, &got); err != nil {
		return got, err
	}
	switch want := e.Paths * e.Events; {
	case got.Failed != "":
		return got, errors.New(got.Failed)
	case got.Received != want || got.Repeated != 0 || got.Unknown != 0:
		return got, fmt.Errorf("the receiver got %d of %d requests, %d of them again, and %d that are not its own",
			got.Received, want, got.Repeated, got.Unknown)
	}
	return got, nil
}

// arrivals are when each event came to each path, in nanoseconds since 1970.
func (r *receiver) arrivals(ctx context.Context) ([]int64, error) {
	var all []int64
	return all, r.call(ctx, http.MethodGet, "/arrivals", nil, &all)
}

// speed is what a run came to.
type speed struct {
	perSecond float64
	// cpu is the CPU time of a request, in microseconds.
	cpu float64
}

// speedOf is the speed between the two marks of a receipt.
func speedOf(e load.Expectation, r load.Receipt) speed {
	n := float64(e.Paths*e.Events - e.Warm)
	elapsed := time.Duration(r.Ended - r.Began)
	return speed{n / elapsed.Seconds(), r.CPU.Seconds() * 1e6 / n}
}
