// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

const (
	// neighbourRate is how many events a second each of the two endpoints gets, for so many seconds: longer than
	// the neighbour hangs, and than an event may stay unsettled.
	neighbourRate    = 100
	neighbourSeconds = 20
	// neighbourHang is how long the neighbour takes for an answer.
	neighbourHang = 10 * time.Second
)

// healthy is how a healthy endpoint fared.
type healthy struct {
	perSecond, p50, p99 float64
}

// fared is how events fared, the first of them not counted in the latencies.
func fared(made load.Production, got load.Receipt, arrived []int64, uncounted int) healthy {
	var took []float64
	for i := uncounted; i < len(made.Sent); i++ {
		took = append(took, float64(arrived[i]-made.Sent[i])/1e6)
	}
	slices.Sort(took)
	seconds := float64(got.Ended-made.Began) / 1e9
	return healthy{float64(len(made.Sent)) / seconds, quantile(took, 0.5), quantile(took, 0.99)}
}

// neighbour posts events to the healthy endpoint, and at the same time to the hanging one when it is there.
func (s *session) neighbour(ctx context.Context, t *tenant, data string, hanging bool) (healthy, error) {
	d, err := s.ready(ctx, t, data)
	if err != nil {
		return healthy{}, err
	}
	defer discard(d)
	const events = neighbourRate * neighbourSeconds
	e := load.Expectation{Paths: 1, Events: events, Hang: neighbourHang}
	if err := s.receiver.expect(ctx, e); err != nil {
		return healthy{}, err
	}
	bad := make(chan error, 1)
	if hanging {
		// Other events than those of the healthy one, by their ids: ingest would take them for repetitions.
		begin, err := s.producer(t, d, production{eventType: "com.example.hanging", from: events, events: events, rate: neighbourRate})
		if err != nil {
			return healthy{}, err
		}
		go func() {
			_, err := begin()
			bad <- err
		}()
	} else {
		bad <- nil
	}
	made, err := s.produce(t, d, production{eventType: "com.example.bench", events: events, rate: neighbourRate, times: true})
	if err != nil {
		return healthy{}, err
	}
	if err := <-bad; err != nil {
		return healthy{}, err
	}
	got, err := s.receiver.receipt(ctx, e, patience)
	if err != nil {
		return healthy{}, fmt.Errorf("healthy endpoint: %w", err)
	}
	arrived, err := s.receiver.arrivals(ctx)
	if err != nil {
		return healthy{}, err
	}
	return fared(made, got, arrived, 0), accounted(ctx, d)
}

// accounted returns an error unless every delivery of a dispatcher is accounted for, whether it has ended or not.
func accounted(ctx context.Context, d *platform.Dispatcher) error {
	m, err := d.ReadMetrics(ctx)
	if lost := m["posthorn_unaccounted_deliveries"]; err == nil && lost != 0 {
		err = fmt.Errorf("%v deliveries are unaccounted for", lost)
	}
	return err
}

// benchNeighbour measures a healthy endpoint alone, and beside one that hangs.
func benchNeighbour(ctx context.Context, s *session) ([]figure, error) {
	t, _, err := s.newPrepared(ctx, 1)
	if err != nil {
		return nil, err
	}
	if err := t.endpoint(ctx, "hanging", s.receiver.url("/hang/0"), nil); err != nil {
		return nil, err
	}
	if err := t.subscription(ctx, "hanging", "hanging", "com.example.hanging", nil); err != nil {
		return nil, err
	}
	data, err := s.prepare(ctx, t)
	if err != nil {
		return nil, err
	}
	var rate, p99 pairs
	for i := range s.pairs {
		alone, err := s.neighbour(ctx, t, data, false)
		if err != nil {
			return nil, err
		}
		beside, err := s.neighbour(ctx, t, data, true)
		if err != nil {
			return nil, err
		}
		s.say("pair %d: alone %.1f/s, p99 %.2f ms; beside a hanging one %.1f/s, p99 %.2f ms", i+1,
			alone.perSecond, alone.p99, beside.perSecond, beside.p99)
		rate.add(alone.perSecond, beside.perSecond)
		p99.add(alone.p99, beside.p99)
	}
	return []figure{
		rate.figure("neighbour_rate", "(h) healthy endpoint beside a hanging one, rate", "deliveries/s", "no fall"),
		p99.figure("neighbour_p99", "(h) the same, p99", "ms", "no fall"),
	}, nil
}
