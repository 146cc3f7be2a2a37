// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

const (
	// memoryObjects is how many endpoints, and how many subscriptions, are there.
	memoryObjects = 1_000
	// memoryParked is how many deliveries are parked.
	memoryParked = 200_000
	// settle is how long a process must have been at rest before its memory is read: the engine keeps for 10 to 20 s what
	// it has just read or written. restCPU is the CPU that a process at rest may use in that time.
	settle  = 30 * time.Second
	restCPU = 600 * time.Millisecond
	// mebibyte is the unit of the figures.
	mebibyte = 1 << 20
)

// debugAddress is an address that a process can show its profiles at.
func debugAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find address: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// rest waits until a process has nothing more to do.
func rest(ctx context.Context, p *platform.Process) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	used, err := load.CPUOf(p.PID())
	for err == nil {
		select {
		case <-time.After(settle):
		case <-ctx.Done():
			return fmt.Errorf("wait for a process to be at rest: %w", ctx.Err())
		}
		before := used
		if used, err = load.CPUOf(p.PID()); used-before < restCPU {
			break
		}
	}
	return err
}

// resident is the memory of a process at rest in MiB, after a forced collection.
func resident(ctx context.Context, p *platform.Process, debug string) (float64, error) {
	if err := rest(ctx, p); err != nil {
		return 0, err
	}
	for range 2 { // what has a finalizer or a pool goes with the second
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+debug+"/debug/free", http.NoBody)
		if err != nil {
			return 0, fmt.Errorf("make request: %w", err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, fmt.Errorf("force a collection: %w", err)
		}
		if err := answer.Body.Close(); err != nil {
			return 0, fmt.Errorf("force a collection: %w", err)
		}
	}
	r := float64(p.ResidentBytes()) / mebibyte
	return r, keepHeap(ctx, debug)
}

// keepHeap writes what a process holds on its heap into the directory that BENCH_HEAPS names, to look into with
// go tool pprof.
func keepHeap(ctx context.Context, debug string) error {
	dir := os.Getenv("BENCH_HEAPS")
	if dir == "" {
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+debug+"/debug/pprof/heap", http.NoBody)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("read heap: %w", err)
	}
	heap, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("read heap: %w", err)
	}
	name := filepath.Join(dir, fmt.Sprintf("heap-%d.pprof", time.Now().UnixMilli()))
	if err := os.WriteFile(name, heap, 0o600); err != nil {
		return fmt.Errorf("keep heap: %w", err)
	}
	return nil
}

// both are operator and dispatcher on a control plane of their own.
type both struct {
	*tenant
	operator                      *platform.Operator
	dispatcher                    *platform.Dispatcher
	operatorDebug, dispatcherDebg string
}

// newBoth starts them, with nothing to do.
func (s *session) newBoth(ctx context.Context) (*both, error) {
	p, err := s.newPlatform()
	if err != nil {
		return nil, err
	}
	b := &both{}
	if b.tenant, err = newTenant(ctx, p); err != nil {
		return nil, err
	}
	for _, address := range []*string{&b.operatorDebug, &b.dispatcherDebg} {
		if *address, err = debugAddress(); err != nil {
			return nil, err
		}
	}
	if b.operator, err = p.NewOperator(ctx, configuration, nil, "--debug-address", b.operatorDebug); err != nil {
		return nil, err
	}
	b.dispatcher, err = p.NewDispatcher(ctx, platform.DispatcherOptions{
		Config: configuration, Args: []string{"--debug-address", b.dispatcherDebg},
	})
	if err != nil {
		return nil, err
	}
	if err := b.operator.Start(); err != nil {
		return nil, err
	}
	if err := b.dispatcher.Start(); err != nil {
		return nil, err
	}
	if err := b.operator.AwaitReady(ctx); err != nil {
		return nil, err
	}
	return b, b.dispatcher.AwaitReady(ctx)
}

// memory is that of both processes, in MiB.
func (b *both) memory(ctx context.Context) (operator, dispatcher float64, err error) {
	if operator, err = resident(ctx, b.operator.Process, b.operatorDebug); err != nil {
		return 0, 0, err
	}
	dispatcher, err = resident(ctx, b.dispatcher.Process, b.dispatcherDebg)
	return operator, dispatcher, err
}

// stop ends both.
func (b *both) stop() {
	b.operator.Kill()
	b.dispatcher.Kill()
}

// parallel calls f for each number below n, some at a time.
func parallel(n int, f func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(16)
	for i := range n {
		group.Go(func() error { return f(i) })
	}
	return group.Wait()
}

// benchMemory measures memory idle, and with many objects.
func benchMemory(ctx context.Context, s *session) ([]figure, error) {
	b, err := s.newBoth(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	operator, dispatcher, err := b.memory(ctx)
	if err != nil {
		return nil, err
	}
	idle := operator + dispatcher
	s.say("idle: operator %.1f MiB, dispatcher %.1f MiB", operator, dispatcher)
	all := []figure{
		single("memory_idle", "(f) both processes idle", "MiB", "< 120", idle),
		single("memory_idle_dispatcher", "(f) the dispatcher of them", "MiB", "", dispatcher),
	}
	if err := b.populate(ctx, s); err != nil {
		return all, err
	}
	if operator, dispatcher, err = b.memory(ctx); err != nil {
		return all, err
	}
	s.say("with objects: operator %.1f MiB, dispatcher %.1f MiB", operator, dispatcher)
	return append(all, single("memory_objects", "(f) 1,000 endpoints and subscriptions add", "MiB", "< 60", operator+dispatcher-idle)), nil
}

// populate makes the objects, whose filters all differ, and waits until they are Ready.
func (b *both) populate(ctx context.Context, s *session) error {
	err := parallel(memoryObjects, func(i int) error {
		name := fmt.Sprintf("object-%d", i)
		e := newEndpoint(b.namespace, name, s.receiver.url("/r/0"))
		if err := b.platform.Admin.Create(ctx, e); err != nil {
			return fmt.Errorf("create endpoint: %w", err)
		}
		return b.subscription(ctx, name, name, "com.example.*", func(spec *hookv1.WebhookSubscriptionSpec) {
			spec.Filter = fmt.Sprintf("event.data.total > %d && event.subject.startsWith('orders/%d')", i, i)
		})
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return b.platform.AwaitSubscriptions(ctx, b.namespace, "all are Ready", platform.IsReady)
}

// benchParked measures what parked deliveries add to a dispatcher that knows one endpoint, the events that they are
// of included.
func benchParked(ctx context.Context, s *session) ([]figure, error) {
	b, err := s.newBoth(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	e := newEndpoint(b.namespace, "dead", s.receiver.url("/r/0"))
	e.Spec.Suspend = new(true)
	if err := b.platform.Admin.Create(ctx, e); err != nil {
		return nil, fmt.Errorf("create endpoint: %w", err)
	}
	if err := b.subscription(ctx, "dead", "dead", "com.example.bench", nil); err != nil {
		return nil, err
	}
	if err := b.routed(ctx); err != nil {
		return nil, err
	}
	_, before, err := b.memory(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.produce(b.tenant, b.dispatcher, production{eventType: "com.example.bench", events: memoryParked, batch: 100}); err != nil {
		return nil, err
	}
	if err := stored(ctx, b.dispatcher, memoryParked); err != nil {
		return nil, err
	}
	_, after, err := b.memory(ctx)
	if err != nil {
		return nil, err
	}
	s.say("parked: dispatcher %.1f MiB before, %.1f MiB with %d deliveries", before, after, memoryParked)
	return []figure{single("memory_parked", "(f) 200,000 parked deliveries add", "MiB", "< 40", after-before)}, nil
}

// stored waits until so many deliveries wait in storage, and none in memory.
func stored(ctx context.Context, d *platform.Dispatcher, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return platform.Await(ctx, "all deliveries are parked", func(ctx context.Context) error {
		m, err := d.ReadMetrics(ctx)
		if err != nil {
			return err
		}
		const name = "posthorn_dispatcher_pending_deliveries"
		if inMemory, waiting := m[name+`{where="memory"}`], m[name+`{where="storage"}`]; inMemory != 0 || waiting != float64(n) {
			return fmt.Errorf("%v wait in storage and %v in memory, want %d", waiting, inMemory, n)
		}
		return nil
	})
}
