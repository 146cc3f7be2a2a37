// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

// startTime starts a dispatcher on a copy of the data, posts one event as soon as it is taken, and returns after how
// many seconds that was received.
func (s *session) startTime(ctx context.Context, t *tenant, data string, paths int) (float64, error) {
	d, err := s.newDispatcher(ctx, t, data)
	if err != nil {
		return 0, err
	}
	defer discard(d)
	e := load.Expectation{Paths: paths, Events: 1}
	if err := s.receiver.expect(ctx, e); err != nil {
		return 0, err
	}
	if err := d.Start(); err != nil {
		return 0, err
	}
	if err := t.postOne(ctx, d); err != nil {
		return 0, err
	}
	got, err := s.receiver.receipt(ctx, e, patience)
	if err != nil {
		return 0, fmt.Errorf("first delivery: %w", err)
	}
	return float64(got.First-d.Started.UnixNano()) / 1e9, nil
}

// postOne posts one event, again and again until it is accepted.
func (t *tenant) postOne(ctx context.Context, d *platform.Dispatcher) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p := platform.Producer{Address: d.Ingest, Namespace: t.namespace, Token: t.token}
	one := platform.Event{ID: "e" + strings.Repeat("0", 9), Type: "com.example.bench", Data: json.RawMessage(`{"total":1}`)}
	for {
		if answer, err := p.Try(ctx, one); err == nil && answer.Status == http.StatusAccepted {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("post the first event: %w", ctx.Err())
		}
	}
}

// starts measures a start several times.
func (s *session) starts(ctx context.Context, t *tenant, data string, paths int) ([]float64, error) {
	all := make([]float64, s.pairs)
	for i := range all {
		var err error
		if all[i], err = s.startTime(ctx, t, data, paths); err != nil {
			return nil, err
		}
		s.say("start %d: %.2f s", i+1, all[i])
	}
	return all, nil
}

// benchStart measures from the start of the process to its first delivery.
func benchStart(ctx context.Context, s *session) ([]figure, error) {
	var all []figure
	for _, how := range []struct {
		name, title string
		kill        bool
	}{
		{"start_parked", "(i) start with 200,000 parked deliveries", false},
		{"start_parked_killed", "(i) the same after a SIGKILL", true},
	} {
		t, data, err := s.newParked(ctx, how.kill)
		if err != nil {
			return all, err
		}
		took, err := s.starts(ctx, t, data, 1)
		if err != nil {
			return all, err
		}
		all = append(all, single(how.name, how.title, "s", "< 2", took...))
	}
	c, err := s.crowd(ctx, 10_000)
	if err != nil {
		return all, err
	}
	took, err := s.starts(ctx, c.tenant, c.data, crowdFan)
	if err != nil {
		return all, err
	}
	return append(all, single("start_subscriptions", "(i) start with 10,000 subscriptions on 100 endpoints", "s", "< 6", took...)), nil
}

// newParked makes a tenant with a healthy endpoint and one with parked deliveries, and returns the data directory
// of a dispatcher that was stopped, or killed, with them.
func (s *session) newParked(ctx context.Context, kill bool) (*tenant, string, error) {
	p, err := s.platform()
	if err != nil {
		return nil, "", err
	}
	t, err := newTenant(ctx, p)
	if err != nil {
		return nil, "", err
	}
	if err := t.fan(ctx, s.receiver, "healthy", "com.example.bench", 1); err != nil {
		return nil, "", err
	}
	if err := t.endpoint(ctx, "dead", s.receiver.url("/r/0"), func(spec *hookv1.WebhookEndpointSpec) { spec.Suspend = new(true) }); err != nil {
		return nil, "", err
	}
	if err := t.subscription(ctx, "dead", "dead", "com.example.dead", nil); err != nil {
		return nil, "", err
	}
	d, err := s.ready(ctx, t, "")
	if err != nil {
		return nil, "", err
	}
	defer d.Kill()
	if _, err := s.produce(t, d, production{eventType: "com.example.dead", events: memoryParked, batch: 100}); err != nil {
		return nil, "", err
	}
	if err := stored(ctx, d, memoryParked); err != nil {
		return nil, "", err
	}
	if kill {
		d.Kill()
		// What is left of a killed process, and nothing that can be copied.
		return t, d.DataDir, os.Remove(filepath.Join(d.DataDir, "backup.sock"))
	}
	return t, d.DataDir, d.Stop()
}
