// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/posthorn-dev/posthorn/test/bench/load"
)

// drainDeliveries is how many deliveries a drain makes: some 3 seconds.
const drainDeliveries = 100_000

// drained is a tenant with accepted events that are not delivered yet.
type drained struct {
	*tenant
	fan, events int
	data        string
}

// newDrained makes a tenant whose events match so many subscriptions, and accepts them.
func (s *session) newDrained(ctx context.Context, fan, deliveries int) (*drained, error) {
	p, err := s.platform()
	if err != nil {
		return nil, err
	}
	t, err := newTenant(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := t.fan(ctx, s.receiver, "drain", "com.example.bench", fan); err != nil {
		return nil, err
	}
	d := &drained{tenant: t, fan: fan, events: deliveries / fan}
	begun, err := s.prepare(ctx, t)
	if err != nil {
		return nil, err
	}
	d.data = begun
	return d, d.accept(ctx, d.data, "com.example.bench", d.events)
}

// drain starts a dispatcher on a copy of the data, and measures it from the first fifth of the deliveries to the
// last.
func (s *session) drain(ctx context.Context, t *drained) (speed, error) {
	e := load.Expectation{Paths: t.fan, Events: t.events, Warm: t.fan * t.events / warmPart}
	if err := s.receiver.expect(ctx, e); err != nil {
		return speed{}, err
	}
	d, err := s.newDispatcher(ctx, t.tenant, t.data)
	if err != nil {
		return speed{}, err
	}
	defer discard(d)
	if err := d.Start(); err != nil {
		return speed{}, err
	}
	if err := s.receiver.watch(ctx, d.PID()); err != nil {
		return speed{}, err
	}
	got, err := s.receiver.receipt(ctx, e, patience)
	if err != nil {
		return speed{}, fmt.Errorf("drain at fan-out %d: %w", t.fan, err)
	}
	return speedOf(e, got), whole(ctx, d)
}

// benchDrain measures deliveries of events that were accepted before the dispatcher started: rate, and CPU.
func benchDrain(ctx context.Context, s *session) ([]figure, error) {
	var all []figure
	goals := map[int][2]string{1: {"≥ 0.75", "≤ 1.5"}, 10: {"≥ 0.85", "≤ 1.3"}}
	for _, fan := range []int{1, 10} {
		t, err := s.newDrained(ctx, fan, s.scaled(drainDeliveries))
		if err != nil {
			return all, err
		}
		var rate, cpu pairs
		for i := range s.pairs {
			base, err := s.loop(ctx, bareNetHTTP)
			if err != nil {
				return all, err
			}
			got, err := s.drain(ctx, t)
			if err != nil {
				return all, err
			}
			s.say("fan-out %d, pair %d: bare %.0f/s %.1f µs, Posthorn %.0f/s %.1f µs", fan, i+1,
				base.perSecond, base.cpu, got.perSecond, got.cpu)
			rate.add(base.perSecond, got.perSecond)
			cpu.add(base.cpu, got.cpu)
		}
		all = append(all,
			rate.figure(fmt.Sprintf("drain_fanout_%d", fan), fmt.Sprintf("(b) drain, fan-out %d", fan), "deliveries/s", goals[fan][0]),
			cpu.figure(fmt.Sprintf("cpu_fanout_%d", fan), fmt.Sprintf("(c) CPU, fan-out %d", fan), "µs/delivery", goals[fan][1]))
		if err := os.RemoveAll(t.data); err != nil {
			return all, fmt.Errorf("remove data: %w", err)
		}
	}
	return all, nil
}
