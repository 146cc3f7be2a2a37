// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// sourceWrites is how many objects one run of the flow creates.
const sourceWrites = 10_000

// write creates ConfigMaps by 16 clients.
func write(ctx context.Context, p *platform.Platform, namespace, prefix string, n int) error {
	return parallel(n, func(i int) error {
		if err := p.Admin.Create(ctx, newConfigMap(namespace, fmt.Sprintf("%s-%06d", prefix, i))); err != nil {
			return fmt.Errorf("create object: %w", err)
		}
		return nil
	})
}

// accepted waits until ingest has accepted so many events of sources, and returns an error if there are more.
func accepted(ctx context.Context, d *platform.Dispatcher, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var got float64
	err := platform.Await(ctx, "all events are accepted", func(ctx context.Context) error {
		m, err := d.ReadMetrics(ctx)
		if err != nil {
			return err
		}
		if got = m[`posthorn_source_events_total{kind="ConfigMap"}`]; got < float64(n) {
			return fmt.Errorf("%v events are accepted, want %d", got, n)
		}
		return nil
	})
	if err == nil && got != float64(n) {
		err = fmt.Errorf("%v events are accepted of %d changes", got, n)
	}
	return err
}

// benchSourceFlow measures how many changes a second become events, against how many the API server takes where
// nobody watches.
func benchSourceFlow(ctx context.Context, s *session) ([]figure, error) {
	p, err := s.platform()
	if err != nil {
		return nil, err
	}
	t, err := newWatching(ctx, p)
	if err != nil {
		return nil, err
	}
	unwatched, _, err := p.Tenant(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.source(ctx, 0); err != nil {
		return nil, err
	}
	d, err := s.readyWatching(ctx, t)
	if err != nil {
		return nil, err
	}
	defer discard(d)
	n := s.scaled(sourceWrites)
	var rate pairs
	for i := range s.pairs {
		prefix := fmt.Sprintf("run-%d", i)
		began := time.Now()
		if err := write(ctx, p, unwatched, prefix, n); err != nil {
			return nil, err
		}
		base := float64(n) / time.Since(began).Seconds()
		began = time.Now()
		if err := write(ctx, p, t.namespace, prefix, n); err != nil {
			return nil, err
		}
		if err := accepted(ctx, d, (i+1)*n); err != nil {
			return nil, err
		}
		got := float64(n) / time.Since(began).Seconds()
		s.say("pair %d: %.0f writes/s, %.0f events/s", i+1, base, got)
		rate.add(base, got)
	}
	return []figure{rate.figure("source_flow", "(l) API writes to accepted events", "events/s", "")}, nil
}
