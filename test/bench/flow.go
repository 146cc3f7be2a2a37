// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/posthorn-dev/posthorn/test/bench/load"
)

// flowDeliveries is how many deliveries one run makes while the events come in.
const flowDeliveries = 60_000

// flow posts events by 32 clients as fast as ingest takes them, one in a request, and returns the deliveries per
// second from the first request of a producer to the last delivery: what is delivered late counts too.
func (s *session) flow(ctx context.Context, t *tenant, data string, fan int) (float64, error) {
	d, err := s.ready(ctx, t, data)
	if err != nil {
		return 0, err
	}
	defer discard(d)
	deliveries := s.scaled(flowDeliveries)
	e := load.Expectation{Paths: fan, Events: deliveries / fan}
	if err := s.receiver.expect(ctx, e); err != nil {
		return 0, err
	}
	made, err := s.produce(t, d, production{eventType: "com.example.bench", events: e.Events})
	if err != nil {
		return 0, err
	}
	got, err := s.receiver.receipt(ctx, e, patience)
	if err != nil {
		return 0, fmt.Errorf("flow at fan-out %d: %w", fan, err)
	}
	elapsed := time.Duration(got.Ended - made.Began)
	return float64(e.Paths*e.Events) / elapsed.Seconds(), whole(ctx, d)
}

// benchFlow measures deliveries while the events come in over HTTP.
func benchFlow(ctx context.Context, s *session) ([]figure, error) {
	var all []figure
	for _, fan := range []int{1, 10} {
		t, data, err := s.newPrepared(ctx, fan)
		if err != nil {
			return all, err
		}
		var rate pairs
		for i := range s.pairs {
			base, err := s.loop(ctx, bareNetHTTP)
			if err != nil {
				return all, err
			}
			got, err := s.flow(ctx, t, data, fan)
			if err != nil {
				return all, err
			}
			s.say("fan-out %d, pair %d: bare %.0f/s, Posthorn %.0f/s", fan, i+1, base.perSecond, got)
			rate.add(base.perSecond, got)
		}
		all = append(all, rate.figure(fmt.Sprintf("flow_fanout_%d", fan),
			fmt.Sprintf("(d) with ingest, fan-out %d", fan), "deliveries/s", map[int]string{1: "≥ 0.30", 10: "≥ 0.70"}[fan]))
	}
	return all, nil
}

// latencySeconds is how long events come in at one rate.
const latencySeconds = 10

// latencies posts events at a rate, and returns how long each took, in milliseconds, sorted: from when its producer
// began to send it, which is before it was accepted, to when the receiver had read it.
func (s *session) latencies(ctx context.Context, t *tenant, data string, rate float64) ([]float64, error) {
	d, err := s.ready(ctx, t, data)
	if err != nil {
		return nil, err
	}
	defer discard(d)
	// The first events make connections; they are delivered, and not counted.
	events := int(rate * latencySeconds)
	uncounted := events / 10
	e := load.Expectation{Paths: 1, Events: events}
	if err := s.receiver.expect(ctx, e); err != nil {
		return nil, err
	}
	made, err := s.produce(t, d, production{eventType: "com.example.bench", events: events, rate: rate, times: true})
	if err != nil {
		return nil, err
	}
	if _, err := s.receiver.receipt(ctx, e, patience); err != nil {
		return nil, fmt.Errorf("latency at %.0f/s: %w", rate, err)
	}
	arrived, err := s.receiver.arrivals(ctx)
	if err != nil {
		return nil, err
	}
	var took []float64
	for i := uncounted; i < events; i++ {
		took = append(took, float64(arrived[i]-made.Sent[i])/1e6)
	}
	slices.Sort(took)
	return took, whole(ctx, d)
}

// benchLatency measures how long it takes from posted to received.
func benchLatency(ctx context.Context, s *session) ([]figure, error) {
	t, data, err := s.newPrepared(ctx, 1)
	if err != nil {
		return nil, err
	}
	var p50, p99, halfP50, halfP99 []float64
	for i := range s.pairs {
		// Half of what it sustains now: a minute later the machine may be half as fast.
		sustained, err := s.flow(ctx, t, data, 1)
		if err != nil {
			return nil, err
		}
		half := sustained / 2
		slow, err := s.latencies(ctx, t, data, 100)
		if err != nil {
			return nil, err
		}
		fast, err := s.latencies(ctx, t, data, half)
		if err != nil {
			return nil, err
		}
		p50, p99 = append(p50, quantile(slow, 0.5)), append(p99, quantile(slow, 0.99))
		halfP50, halfP99 = append(halfP50, quantile(fast, 0.5)), append(halfP99, quantile(fast, 0.99))
		s.say("run %d: at 100/s p50 %.2f ms, p99 %.2f ms; at %.0f/s p50 %.2f ms, p99 %.2f ms", i+1,
			p50[i], p99[i], half, halfP50[i], halfP99[i])
	}
	return []figure{
		single("latency_100_p50", "(d) posted to received at 100/s, p50", "ms", "< 2", p50...),
		single("latency_100_p99", "(d) the same, p99", "ms", "< 10", p99...),
		single("latency_half_p50", "(d) at half of flow_fanout_1, p50", "ms", "", halfP50...),
		single("latency_half_p99", "(d) the same, p99", "ms", "< 25", halfP99...),
	}, nil
}
