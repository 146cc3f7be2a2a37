// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// TestCrash_LosesNothing kills the dispatcher at random moments while events come in and are delivered to
// endpoints of all manners. The long form is make crash.
func TestCrash_LosesNothing(t *testing.T) {
	c := newCrash(t, fromEnvironment(t, "CRASH_EVENTS", 2_000), fromEnvironment(t, "CRASH_KILLS", 3))
	c.run(t, func(d *platform.Dispatcher) error {
		d.Kill()
		return nil
	})
	must(t, c.dispatcher.Stop())
	c.ledger.checkDuplicates(t, c.outages, c.checkVariety(t))
	waits, tooShort := c.ledger.firstDeliveries(c.outages)
	t.Logf("from start to first new delivery, in %d of %d runs that came to one: median %s, longest %s: %s",
		len(waits), len(c.outages), median(waits), longest(waits), waits)
	t.Logf("the other runs were ended before, the longest of them %s after its start: %s", longest(tooShort), tooShort)
}

// TestStop_SendsNothingTwice is the same with SIGTERM.
func TestStop_SendsNothingTwice(t *testing.T) {
	c := newCrash(t, fromEnvironment(t, "CRASH_EVENTS", 2_000), fromEnvironment(t, "CRASH_STOPS", 3))
	c.run(t, func(d *platform.Dispatcher) error {
		return errors.Join(d.AwaitAlive(t.Context()), d.Stop())
	})
	if found := c.ledger.duplicates(); len(found) > 0 {
		t.Errorf("%d duplicates after stops in order, such as %+v", len(found), found[0])
	}
	must(t, c.dispatcher.Stop())
	c.checkVariety(t)
}

// crash is a dispatcher that is ended again and again.
type crash struct {
	random        *rand.Rand
	events, times int
	dispatcher    *platform.Dispatcher
	fleet         *fleet
	ledger        *ledger
	outages       []outage
	// open is how many circuits were open before the endpoints that were down came back.
	open int
}

// newCrash prepares a fleet, with a dispatcher and an operator that run.
func newCrash(t *testing.T, events, times int) *crash {
	t.Helper()
	c := &crash{random: dice(t), events: events, times: times}
	c.dispatcher = newDispatcher(t, platform.DispatcherOptions{})
	must(t, c.dispatcher.Start())
	startOperator(t, nil)
	c.fleet = newFleet(t, c.dispatcher.Ingest, 80*time.Millisecond)
	return c
}

// run ends the dispatcher while events are posted and delivered, and then holds everything against what the
// receivers know.
func (c *crash) run(t *testing.T, stop func(*platform.Dispatcher) error) {
	t.Helper()
	ctx := within(t, 10*time.Minute+time.Duration(c.times)*10*time.Second)
	var posting sync.WaitGroup
	posting.Go(func() {
		// Most events are there before the first crash; the others come in between them.
		most := c.events * 3 / 4
		c.fleet.post(ctx, t, 0, most, 0)
		left := (c.events - most + 9) / 10
		c.fleet.post(ctx, t, most, c.events-most, time.Duration(c.times)*time.Second/time.Duration(left))
	})
	begin := time.Now()
	for i := range c.times {
		pause(ctx, time.Duration(c.random.Int64N(int64(2*time.Second))))
		o := outage{killed: time.Now()}
		must(t, stop(c.dispatcher))
		o.restarted = time.Now()
		must(t, c.dispatcher.Start())
		c.outages = append(c.outages, o)
		if i == c.times/2 {
			c.open = awaitOpenCircuit(ctx, t, c.dispatcher)
			c.fleet.repair(ctx, t)
		}
	}
	posting.Wait()
	c.settle(ctx, t)
	t.Logf("%d events accepted with %d requests repeated, %d requests received, %d times ended, in %s",
		len(c.fleet.accepted), c.fleet.repeated, len(c.ledger.requests), c.times, time.Since(begin).Round(time.Millisecond))
}

// awaitOpenCircuit waits until some circuits are open, and returns how many.
func awaitOpenCircuit(ctx context.Context, t *testing.T, d *platform.Dispatcher) (open int) {
	t.Helper()
	must(t, platform.Await(ctx, "circuits are open", func(ctx context.Context) error {
		m, err := d.ReadMetrics(ctx)
		if err != nil {
			return err
		}
		if open = int(m[`posthorn_dispatcher_circuits{state="Open"}`]); open == 0 {
			return errors.New("no circuit is open")
		}
		return nil
	}))
	return open
}

// checkVariety fails the test unless, among all that was delivered, there were open circuits, retries and
// deliveries that waited in storage. It returns when the flushes of the attempt log were stored. The dispatcher
// must not run.
func (c *crash) checkVariety(t *testing.T) (flushes []time.Time) {
	t.Helper()
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: c.dispatcher.DataDir, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer log.Close()
	outcomes := map[delivery.Outcome]int{}
	must(t, log.ScanFlushes(t.Context(), 0, 1, func(m eventlog.Message) { flushes = append(flushes, m.Time) }))
	must(t, deliverylog.New(log).Scan(t.Context(), 0, 1, func(_ uint64, f *deliverylog.Flush) {
		for _, r := range f.Records {
			outcomes[r.Outcome]++
		}
	}))
	t.Logf("%d circuits were open at once; outcomes in the attempt log: %v", c.open, outcomes)
	if c.open == 0 || outcomes[delivery.OutcomeRetry] == 0 || outcomes[delivery.OutcomeParked] == 0 {
		t.Error("the run had no open circuit, no retry or nothing parked")
	}
	return flushes
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// settle waits until nothing is pending, and checks that everything arrived and is accounted for.
func (c *crash) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	must(t, c.dispatcher.AwaitReady(ctx))
	must(t, awaitDrained(ctx, c.dispatcher))
	c.ledger = newLedger(c.fleet.receiver.Requests())
	c.ledger.checkRequests(t)
	if got := len(c.fleet.accepted); got != c.events {
		t.Errorf("%d events were accepted, want %d", got, c.events)
	}
	deliveries, refusals := c.ledger.checkComplete(t, c.fleet.accepted)
	checkBooks(ctx, t, c.fleet.namespace, figures{int64(deliveries), int64(deliveries - refusals), int64(refusals)})
}

// awaitDrained waits until nothing is pending, and everything is accounted for.
func awaitDrained(ctx context.Context, d *platform.Dispatcher) error {
	return platform.Await(ctx, "nothing is pending", func(ctx context.Context) error {
		m, err := d.ReadMetrics(ctx)
		if err != nil {
			return err
		}
		pending := m[`posthorn_dispatcher_pending_deliveries{where="memory"}`] + m[`posthorn_dispatcher_pending_deliveries{where="storage"}`]
		if off, ok := m["posthorn_unaccounted_deliveries"]; pending != 0 || off != 0 || !ok {
			return fmt.Errorf("%v are pending, %v unaccounted for", pending, off)
		}
		return nil
	})
}

// figures are the sums over the subscriptions of a namespace.
type figures struct {
	matched, delivered, deadLettered int64
}

// checkBooks waits until the status of the subscriptions shows the figures.
func checkBooks(ctx context.Context, t *testing.T, namespace string, want figures) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := platform.Await(ctx, "the status shows all deliveries", func(ctx context.Context) error {
		var list hookv1.WebhookSubscriptionList
		if err := posthorn.Admin.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return err
		}
		var got figures
		for s := range slices.Values(list.Items) {
			if d := s.Status.Deliveries; d != nil {
				got.matched += number(d.Matched)
				got.delivered += number(d.Delivered)
				got.deadLettered += number(d.DeadLettered)
			}
		}
		if got != want {
			return fmt.Errorf("status shows %+v, want %+v", got, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// number is a figure that may be missing.
func number(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
