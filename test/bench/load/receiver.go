// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Expectation is what a receiver is to get in one run: the events with the numbers From to From+Events-1, once
// on each of the paths /r/0 to /r/Paths-1.
type Expectation struct {
	Paths  int `json:"paths"`
	From   int `json:"from"`
	Events int `json:"events"`
	// Warm is after how many requests the measuring begins.
	Warm int `json:"warm"`
	// Hang is how long the paths /hang/… take to answer.
	Hang time.Duration `json:"hang"`
}

// Receipt is what a receiver got.
type Receipt struct {
	// Received counts all requests that belong to the expectation, Repeated those that came again and Unknown
	// those that do not belong to it.
	Received int `json:"received"`
	Repeated int `json:"repeated"`
	Unknown  int `json:"unknown"`
	// First, Began and Ended are when the first request came, when the measuring began, and when the last
	// one that was missing came, in nanoseconds since 1970.
	First int64 `json:"first"`
	Began int64 `json:"began"`
	Ended int64 `json:"ended"`
	// CPU is what the process that Watch named used between Began and Ended.
	CPU time.Duration `json:"cpu"`
	// Failed says what went wrong.
	Failed string `json:"failed,omitempty"`
}

// run is the state of one expectation.
type run struct {
	Expectation

	arrivals          []atomic.Int64
	received          atomic.Int64
	repeated, unknown atomic.Int64
	first             atomic.Int64
	began, ended      atomic.Int64
	cpuBegan          atomic.Int64
	cpuEnded          atomic.Int64
	failed            atomic.Pointer[string]
	pid               atomic.Int64
	done              chan struct{}
}

// Receiver answers 200 to everything and keeps account of it.
type Receiver struct {
	current atomic.Pointer[run]
	buffers sync.Pool
}

// RunReceiver serves until its standard input ends. It prints the address for requests and that for control.
func RunReceiver() error {
	r := &Receiver{buffers: sync.Pool{New: func() any { return new([4096]byte) }}}
	data, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println(data.Addr().String(), control.Addr().String())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /expect", r.expect)
	mux.HandleFunc("POST /watch", r.watch)
	mux.HandleFunc("GET /receipt", r.receipt)
	mux.HandleFunc("GET /arrivals", r.arrivals)
	failed := make(chan error, 3)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin) // ends with the parent
		failed <- err
	}()
	serve := func(l net.Listener, h http.Handler) {
		failed <- (&http.Server{Handler: h, ReadHeaderTimeout: time.Minute}).Serve(l)
	}
	go serve(control, mux)
	go serve(data, http.HandlerFunc(r.take))
	return <-failed
}

// take is the receiver proper: it reads the body, notes whose it is, and answers.
func (r *Receiver) take(w http.ResponseWriter, q *http.Request) {
	buffer := r.buffers.Get().(*[4096]byte) //nolint:forcetypeassert // nothing else is in it
	n, err := io.ReadFull(q.Body, buffer[:])
	number := -1
	if err == io.ErrUnexpectedEOF { //nolint:errorlint // ReadFull returns it as it is
		number = numberOf(buffer[:n])
	}
	r.buffers.Put(buffer)
	current := r.current.Load()
	if current == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if strings.HasPrefix(q.URL.Path, "/hang/") {
		select {
		case <-time.After(current.Hang):
		case <-q.Context().Done():
		}
		return
	}
	path, err := strconv.Atoi(strings.TrimPrefix(q.URL.Path, "/r/"))
	if err != nil {
		path = -1
	}
	current.note(path, number)
}

// note keeps account of one request.
func (c *run) note(path, number int) {
	number -= c.From
	if path < 0 || path >= c.Paths || number < 0 || number >= c.Events {
		c.unknown.Add(1)
		return
	}
	now := time.Now().UnixNano()
	if !c.arrivals[path*c.Events+number].CompareAndSwap(0, now) {
		c.repeated.Add(1)
		return
	}
	n := int(c.received.Add(1))
	if n == 1 {
		c.first.Store(now)
	}
	if n == max(c.Warm, 1) {
		c.mark(&c.began, &c.cpuBegan)
	}
	if n == c.Paths*c.Events {
		c.mark(&c.ended, &c.cpuEnded)
		close(c.done)
	}
}

// mark notes time and CPU time.
func (c *run) mark(at, cpu *atomic.Int64) {
	at.Store(time.Now().UnixNano())
	pid := int(c.pid.Load())
	if pid == 0 {
		return
	}
	used, err := CPUOf(pid)
	if err != nil {
		text := err.Error()
		c.failed.Store(&text)
	}
	cpu.Store(int64(used))
}

// expect begins a run.
func (r *Receiver) expect(w http.ResponseWriter, q *http.Request) {
	c := &run{done: make(chan struct{})}
	if err := json.NewDecoder(q.Body).Decode(&c.Expectation); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.arrivals = make([]atomic.Int64, c.Paths*c.Events)
	r.current.Store(c)
}

// watch names the process whose CPU time is read when the measuring begins and ends.
func (r *Receiver) watch(w http.ResponseWriter, q *http.Request) {
	pid, err := strconv.ParseInt(q.FormValue("pid"), 10, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.current.Load().pid.Store(pid)
}

// receipt waits until everything has come, or for as long as the caller does, and tells what did.
func (r *Receiver) receipt(w http.ResponseWriter, q *http.Request) {
	c := r.current.Load()
	patience, err := time.ParseDuration(q.FormValue("wait"))
	if err != nil || c == nil {
		http.Error(w, "say how long to wait, and expect something first", http.StatusBadRequest)
		return
	}
	select {
	case <-c.done:
	case <-time.After(patience):
	}
	answer := Receipt{
		Received: int(c.received.Load()), Repeated: int(c.repeated.Load()), Unknown: int(c.unknown.Load()),
		First: c.first.Load(), Began: c.began.Load(), Ended: c.ended.Load(),
		CPU: time.Duration(c.cpuEnded.Load() - c.cpuBegan.Load()),
	}
	if text := c.failed.Load(); text != nil {
		answer.Failed = *text
	}
	_ = json.NewEncoder(w).Encode(answer) // who asked has gone otherwise
}

// arrivals lists when each event came to each path, in nanoseconds since 1970; 0 where it did not.
func (r *Receiver) arrivals(w http.ResponseWriter, _ *http.Request) {
	c := r.current.Load()
	all := make([]int64, len(c.arrivals))
	for i := range all {
		all[i] = c.arrivals[i].Load()
	}
	_ = json.NewEncoder(w).Encode(all) // likewise
}
