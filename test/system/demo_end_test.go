// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package system

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// patience bounds each wait; the slowest, for the whole demo, takes half a minute on 2 cores.
	patience = 5 * time.Minute
	// receiverAddress is where the demo's receiver listens, as the samples have it.
	receiverAddress = "127.0.0.1:9400"
)

// programs are what a demo runs until it ends.
var programs = []string{"etcd", "kube-apiserver", "kube-controller-manager", "operator", "dispatcher", "demo-receiver"}

// TestDemo_StaysUpUntilCtrlC runs the demo as a person does, who looks at what it shows, tries a command and
// presses Ctrl-C.
func TestDemo_StaysUpUntilCtrlC(t *testing.T) {
	d := startDemo(t, "DEMO_EXIT=")
	d.await(t, "Posthorn stays up until you press Ctrl-C", "what they log")
	for what, pattern := range map[string]string{
		"how the circuit opened":       `\$ kubectl wait .*CircuitClosed=False .*\n(.*\n)*?.*webhookendpoint\S*/billing condition met`,
		"how it closed after that":     `(?s)CircuitClosed=False .*CircuitClosed=True .*?webhookendpoint\S*/billing condition met`,
		"what became of the events":    `\$ kubectl describe webhooksubscription billing-orders -n demo\n(.*\n)*?.*Recent Failures:`,
		"the endpoints":                `\$ kubectl get webhookendpoints -n demo\n +NAME .*CIRCUIT.*\n +billing +127\.0\.0\.1:9400 +True +Succeeded +Closed `,
		"the commands to try":          `\$ kubectl events -n demo`,
		"a mistake to make on purpose": `\$ kubectl patch webhookendpoint billing -n demo`,
	} {
		if !regexp.MustCompile(pattern).MatchString(d.said()) {
			t.Errorf("it did not show %s", what)
		}
	}
	try := exec.CommandContext(t.Context(), "bash", "-c", ". "+d.stateDir(t)+"/env && kubectl get webhooksubscriptions -n demo")
	if out, err := try.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("billing-orders")) {
		t.Errorf("its environment is of no use: %v: %s", err, out)
	}
	if missing := d.missing(t, programs); len(missing) > 0 {
		t.Errorf("these do not run any more: %v", missing)
	}

	// In a terminal all processes of the group get the signal: make and the demo.
	d.signal(t, -d.cmd.Process.Pid, syscall.SIGINT)
	_ = d.awaitEnd(t) // make ends by the signal
	if strings.Contains(d.said(), "FAILED") {
		t.Error("it took Ctrl-C for a failure")
	}
	if left := d.processes(t); len(left) > 0 {
		t.Errorf("it left processes behind: %v", left)
	}
	if _, err := os.Stat(d.stateDir(t)); !os.IsNotExist(err) {
		t.Errorf("it left its state behind: %v", err)
	}
	d.showIfFailed(t)
}

func TestDemo_LeavesNoProcessWhenItIsKilled(t *testing.T) {
	d := startDemo(t, "DEMO_EXIT=")
	d.await(t, "Apply the samples")
	if missing := d.missing(t, programs); len(missing) > 0 {
		t.Errorf("these do not run yet: %v", missing)
	}
	d.signal(t, d.pid(t, "demo"), syscall.SIGKILL)
	if err := d.awaitEnd(t); err == nil {
		t.Error("make demo ended with status 0")
	}
	// The kernel ends them; nobody waits for that.
	eventually(t, "no process is left", func() error {
		if left := d.processes(t); len(left) > 0 {
			return fmt.Errorf("left are %v", left)
		}
		return nil
	})
	d.showIfFailed(t)
}

func TestDemo_SaysWhatIsInItsWay(t *testing.T) {
	listener, err := net.Listen("tcp", receiverAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	d := startDemo(t, "DEMO_EXIT=1")
	if err := d.awaitEnd(t); err == nil {
		t.Error("make demo ended with status 0, though nothing was seen to work")
	}
	for _, want := range []string{"FAILED: the demo needs its addresses", receiverAddress + ": bind: address already in use"} {
		if !strings.Contains(d.said(), want) {
			t.Errorf("it did not say %q", want)
		}
	}
	if left := d.processes(t); len(left) > 0 {
		t.Errorf("it left processes behind: %v", left)
	}
	d.showIfFailed(t)
}

// running is a make demo in a process group of its own, as a shell would run it.
type running struct {
	cmd *exec.Cmd
	// mark is a variable in the environment of each of its processes, and of no others.
	mark  string
	ended chan struct{}
	err   error // once it has ended

	mu     sync.Mutex
	output bytes.Buffer
}

// startDemo runs a demo that has ended when the test has.
func startDemo(t *testing.T, env string) *running {
	t.Helper()
	d := &running{mark: "POSTHORN_DEMO=" + rand.Text(), ended: make(chan struct{})}
	d.cmd = exec.Command("make", "--no-print-directory", "demo")
	d.cmd.Dir = "../.."
	d.cmd.Env = append(os.Environ(), d.mark, env, "TMPDIR="+t.TempDir())
	d.cmd.Stdout, d.cmd.Stderr = d, d
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.cmd.WaitDelay = patience // where somebody else keeps its output open
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		d.err = d.cmd.Wait()
	}()
	t.Cleanup(func() {
		for _, p := range d.processes(t) {
			_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may have ended by now
		}
		<-d.ended
	})
	return d
}

// Write takes what it prints.
func (d *running) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.output.Write(p)
}

// said is what it has printed so far.
func (d *running) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.output.String()
}

// await returns once it has printed all of the texts.
func (d *running) await(t *testing.T, texts ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("it says %q", texts), func() error {
		var errs []error
		for _, text := range texts {
			if !strings.Contains(d.said(), text) {
				errs = append(errs, fmt.Errorf("it did not say %q", text))
			}
		}
		select {
		case <-d.ended:
			t.Fatalf("make demo ended (%v):\n%s", d.err, d.said())
		default:
		}
		return errors.Join(errs...)
	})
}

// awaitEnd returns how make ended.
func (d *running) awaitEnd(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-d.ended:
		return d.err
	case <-ctx.Done():
		t.Fatalf("it does not end:\n%s", d.said())
		return nil
	}
}

func (d *running) showIfFailed(t *testing.T) {
	t.Helper()
	if t.Failed() {
		t.Logf("it ended with %v, and said:\n%s", d.err, d.said())
	}
}

// stateDir is where the demo keeps its state.
func (d *running) stateDir(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`All state is in (\S+)`).FindStringSubmatch(d.said())
	if found == nil {
		t.Fatalf("it did not say where its state is:\n%s", d.said())
	}
	return found[1]
}

func (d *running) signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("send %s to %d: %v", s, pid, err)
	}
}

// proc is a process by the name of its program.
type proc struct {
	name string
	pid  int
}

// processes lists those that have the mark in their environment. One that is over and not yet waited for has none.
func (d *running) processes(t *testing.T) []proc {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []proc
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), d.mark) {
			continue
		}
		dir := filepath.Dir(file)
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(line) == 0 {
			continue // it ended just now
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := bytes.Cut(line, []byte{0})
		found = append(found, proc{filepath.Base(string(name)), pid})
	}
	return found
}

// missing lists the programs that do not run.
func (d *running) missing(t *testing.T, names []string) []string {
	t.Helper()
	running := d.processes(t)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(running, func(p proc) bool { return p.name == name })
	})
}

// pid is that of the only process of a program.
func (d *running) pid(t *testing.T, name string) int {
	t.Helper()
	found := slices.DeleteFunc(d.processes(t), func(p proc) bool { return p.name != name })
	if len(found) != 1 {
		t.Fatalf("processes called %s: %v, want one", name, found)
	}
	return found[0].pid
}

// eventually returns once check does without an error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("wait until %s: %v", what, err)
		}
	}
}
