// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

// Ingest alone: how many events one run posts, one in a request and 100 in one.
const (
	ingestSingle = 60_000
	ingestBatch  = 300_000
)

// ingest posts events that no subscription wants, and returns how many a second were accepted.
func (s *session) ingest(ctx context.Context, t *tenant, data string, events, batch int) (float64, error) {
	d, err := s.ready(ctx, t, data)
	if err != nil {
		return 0, err
	}
	defer discard(d)
	made, err := s.produce(t, d, production{eventType: "com.example.unwanted", events: events, batch: batch})
	if err != nil {
		return 0, err
	}
	metrics, err := d.ReadMetrics(ctx)
	if err != nil {
		return 0, err
	}
	if got := metrics[`posthorn_ingest_events_total{result="accepted"}`]; got != float64(events) {
		return 0, fmt.Errorf("the metrics show %v accepted events, %d were", got, events)
	}
	return float64(events) / time.Duration(made.Ended-made.Began).Seconds(), nil
}

// benchIngest measures ingest alone.
func benchIngest(ctx context.Context, s *session) ([]figure, error) {
	t, data, err := s.newPrepared(ctx, 1)
	if err != nil {
		return nil, err
	}
	var single, batch pairs
	for i := range s.pairs {
		base, err := s.loop(ctx, bareNetHTTP)
		if err != nil {
			return nil, err
		}
		one, err := s.ingest(ctx, t, data, s.scaled(ingestSingle), 1)
		if err != nil {
			return nil, err
		}
		many, err := s.ingest(ctx, t, data, s.scaled(ingestBatch), 100)
		if err != nil {
			return nil, err
		}
		s.say("pair %d: bare %.0f/s, single %.0f/s, batches of 100 %.0f/s", i+1, base.perSecond, one, many)
		single.add(base.perSecond, one)
		batch.add(base.perSecond, many)
	}
	return []figure{
		single.figure("ingest_single", "(e) ingest alone, one event a request", "events/s", ""),
		batch.figure("ingest_batch", "(e) ingest alone, 100 events a request", "events/s", ""),
	}, nil
}
