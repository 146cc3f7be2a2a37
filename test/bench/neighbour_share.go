// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

const (
	// shareSeconds is how long events come in at neighbourRate, alone and beside the other tenant each. The first
	// tenth makes connections and is not counted.
	shareSeconds = 3
	shareEvents  = shareSeconds * neighbourRate
	// fillEvents are more than shareConfiguration has room for, with the deliveries that wait for the dead endpoint.
	fillEvents = 5_000
	// deadURL is an address that nothing listens at.
	deadURL = "http://127.0.0.1:1/"
)

// shareConfiguration is configuration with a small share for a namespace.
const shareConfiguration = `
egress: {allow: [127.0.0.1]}
storage: {maxBytes: 20Gi, namespaceShares: {%s: 1Mi}}
`

// newNeighbours makes a tenant with a healthy endpoint and another, with a dead one and a small share of the storage,
// and the data directory of a dispatcher that routes the events of both.
func (s *session) newNeighbours(ctx context.Context) (well, greedy *tenant, data string, err error) {
	p, err := s.platform()
	if err != nil {
		return nil, nil, "", err
	}
	if greedy, err = newTenant(ctx, p); err != nil {
		return nil, nil, "", err
	}
	if well, err = newTenant(ctx, p); err != nil {
		return nil, nil, "", err
	}
	well.configuration = fmt.Sprintf(shareConfiguration, greedy.namespace)
	well.neighbours = []string{greedy.namespace}
	err = errors.Join(
		well.fan(ctx, s.receiver, "flow", "com.example.bench", 1),
		greedy.endpoint(ctx, "dead", deadURL, nil),
		greedy.subscription(ctx, "dead", "dead", "com.example.bench", nil))
	if err != nil {
		return nil, nil, "", err
	}
	data, err = s.prepare(ctx, well)
	return well, greedy, data, err
}

// pace posts events at neighbourRate from a number on, and tells how they fared.
func (s *session) pace(ctx context.Context, t *tenant, d *platform.Dispatcher, from int) (healthy, error) {
	e := load.Expectation{Paths: 1, From: from, Events: shareEvents}
	if err := s.receiver.expect(ctx, e); err != nil {
		return healthy{}, err
	}
	made, err := s.produce(t, d, production{
		eventType: "com.example.bench", from: from, events: shareEvents, rate: neighbourRate, times: true,
	})
	if err != nil {
		return healthy{}, err
	}
	got, err := s.receiver.receipt(ctx, e, patience)
	if err != nil {
		return healthy{}, err
	}
	arrived, err := s.receiver.arrivals(ctx)
	if err != nil {
		return healthy{}, err
	}
	return fared(made, got, arrived, shareEvents/10), nil
}

// neighbourShare measures a tenant alone, and beside one that is at its share and goes on posting. It returns how many
// requests of that one were refused meanwhile.
func (s *session) neighbourShare(ctx context.Context, well, greedy *tenant, data string) (alone, beside healthy, refused int, err error) {
	d, err := s.ready(ctx, well, data)
	if err != nil {
		return alone, beside, 0, err
	}
	defer discard(d)
	if alone, err = s.pace(ctx, well, d, 0); err != nil {
		return alone, beside, 0, fmt.Errorf("alone: %w", err)
	}
	more := production{eventType: "com.example.bench", events: fillEvents, refusable: true}
	if _, err = s.produce(greedy, d, more); err != nil {
		return alone, beside, 0, fmt.Errorf("fill the share: %w", err)
	}
	more.from, more.events, more.rate = fillEvents, shareEvents, neighbourRate
	begin, err := s.producer(greedy, d, more)
	if err != nil {
		return alone, beside, 0, err
	}
	bad := make(chan error, 1)
	go func() {
		made, err := begin()
		if refused = made.Refused; err == nil && refused < shareEvents/2 {
			err = fmt.Errorf("of %d events %d were refused: the tenant is not at its share", shareEvents, refused)
		}
		bad <- err
	}()
	beside, err = s.pace(ctx, well, d, shareEvents)
	if err := errors.Join(err, <-bad); err != nil {
		return alone, beside, refused, fmt.Errorf("beside a tenant at its share: %w", err)
	}
	return alone, beside, refused, accounted(ctx, d)
}

// benchNeighbourShare measures a tenant beside one that has filled its share.
func benchNeighbourShare(ctx context.Context, s *session) ([]figure, error) {
	well, greedy, data, err := s.newNeighbours(ctx)
	if err != nil {
		return nil, err
	}
	var rate, p50, p99 pairs
	for i := range s.pairs {
		alone, beside, refused, err := s.neighbourShare(ctx, well, greedy, data)
		if err != nil {
			return nil, err
		}
		s.say("pair %d: alone %.1f/s, p50 %.2f ms, p99 %.2f ms; beside a tenant at its share %.1f/s, p50 %.2f ms, p99 %.2f ms, "+
			"%d of its %d requests refused", i+1, alone.perSecond, alone.p50, alone.p99, beside.perSecond, beside.p50, beside.p99,
			refused, shareEvents)
		rate.add(alone.perSecond, beside.perSecond)
		p50.add(alone.p50, beside.p50)
		p99.add(alone.p99, beside.p99)
	}
	return []figure{
		rate.figure("neighbour_share_rate", "(h) a tenant beside one that is refused for its share, rate", "deliveries/s", "no fall"),
		p50.figure("neighbour_share_p50", "(h) the same, p50", "ms", "no rise"),
		p99.figure("neighbour_share_p99", "(h) the same, p99", "ms", "no rise"),
	}, nil
}
