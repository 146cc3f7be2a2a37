// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

// production says what a producer posts. A zero member takes the producer's default.
type production struct {
	eventType           string
	from, events, batch int
	rate                float64
	// times asks for when each event was posted.
	times bool
	// refusable says that events may be refused for the share of the namespace.
	refusable bool
}

// produce runs a producer to its end. It fails unless every event was accepted, or may be refused.
func (s *session) produce(t *tenant, d *platform.Dispatcher, p production) (load.Production, error) {
	begin, err := s.producer(t, d, p)
	if err != nil {
		return load.Production{}, err
	}
	return begin()
}

// producer starts a producer, which posts once the function is called that is returned.
func (s *session) producer(t *tenant, d *platform.Dispatcher, p production) (func() (load.Production, error), error) {
	args := []string{
		"producer", "--address", d.Ingest, "--namespace", t.namespace, "--token", t.token, "--type", p.eventType,
		"--from", strconv.Itoa(p.from), "--events", strconv.Itoa(p.events), "--batch", strconv.Itoa(max(p.batch, 1)),
		"--rate", strconv.FormatFloat(p.rate, 'f', -1, 64), "--times=" + strconv.FormatBool(p.times),
		"--refusable=" + strconv.FormatBool(p.refusable),
	}
	c, _, err := spawn(s.program, args...)
	if err != nil {
		return nil, err
	}
	return func() (load.Production, error) {
		var got load.Production
		if err := c.begin(); err != nil {
			return got, fmt.Errorf("begin: %w", err)
		}
		printed, err := c.end()
		if err != nil {
			return got, fmt.Errorf("produce: %w", err)
		}
		if err := json.Unmarshal(printed, &got); err != nil {
			return got, fmt.Errorf("read what was produced: %w", err)
		}
		if !p.refusable && (got.Accepted != p.events || got.Refused != 0) {
			return got, fmt.Errorf("ingest accepted %d of %d events", got.Accepted, p.events)
		}
		return got, nil
	}, nil
}

// ready starts a dispatcher on a copy of prepared data, and waits until it routes.
func (s *session) ready(ctx context.Context, t *tenant, data string) (*platform.Dispatcher, error) {
	d, err := s.newDispatcher(ctx, t, data)
	if err != nil {
		return nil, err
	}
	if err := d.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := d.AwaitReady(ctx); err != nil {
		discard(d)
		return nil, err
	}
	return d, nil
}

// newPrepared makes a tenant with a fan of subscriptions to com.example.bench that have begun, and returns it with
// the data directory in which they have.
func (s *session) newPrepared(ctx context.Context, fan int) (*tenant, string, error) {
	p, err := s.platform()
	if err != nil {
		return nil, "", err
	}
	t, err := newTenant(ctx, p)
	if err != nil {
		return nil, "", err
	}
	if err := t.fan(ctx, s.receiver, "flow", "com.example.bench", fan); err != nil {
		return nil, "", err
	}
	data, err := s.prepare(ctx, t)
	return t, data, err
}
