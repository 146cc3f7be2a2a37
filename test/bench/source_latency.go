// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

// sourceRate is how many changes a second the latency is measured at, and sourceSeconds for how long.
const sourceRate, sourceSeconds = 50, 20

// benchSourceLatency measures from before a change of a resource to the webhook.
func benchSourceLatency(ctx context.Context, s *session) ([]figure, error) {
	p, err := s.platform()
	if err != nil {
		return nil, err
	}
	t, err := newWatching(ctx, p)
	if err != nil {
		return nil, err
	}
	objects := make([]*corev1.ConfigMap, s.scaled(sourceRate*sourceSeconds))
	err = parallel(len(objects), func(i int) error {
		objects[i] = newConfigMap(t.namespace, fmt.Sprintf("e%09d", i))
		if err := p.Admin.Create(ctx, objects[i]); err != nil {
			return fmt.Errorf("create object: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := t.endpoint(ctx, "changes", s.receiver.url("/r/0"), nil); err != nil {
		return nil, err
	}
	// The receiver knows the requests by the number in their id.
	err = t.subscription(ctx, "changes", "changes", "dev.posthorn.kubernetes.core.configmap.updated", func(spec *hookv1.WebhookSubscriptionSpec) {
		spec.Payload = &hookv1.Payload{Format: hookv1.PayloadFormatData, Transform: `{"id": event.data.name}`}
	})
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
	if err := t.routed(ctx); err != nil {
		return nil, err
	}
	var p50, p99 []float64
	for i := range s.pairs {
		took, err := s.changeLatencies(ctx, p, objects)
		if err != nil {
			return nil, err
		}
		p50, p99 = append(p50, quantile(took, 0.5)), append(p99, quantile(took, 0.99))
		s.say("run %d: p50 %.2f ms, p99 %.2f ms", i+1, p50[i], p99[i])
	}
	return []figure{
		single("source_latency_p50", "(m) API write to received at 50 changes/s, p50", "ms", "< 20", p50...),
		single("source_latency_p99", "(m) the same, p99", "ms", "", p99...),
	}, whole(ctx, d)
}

// changeLatencies changes each object once at the rate, and returns how long each took, in milliseconds, sorted: from
// before the change was asked for to when the receiver had read the webhook.
func (s *session) changeLatencies(ctx context.Context, p *platform.Platform, objects []*corev1.ConfigMap) ([]float64, error) {
	e := load.Expectation{Paths: 1, Events: len(objects)}
	if err := s.receiver.expect(ctx, e); err != nil {
		return nil, err
	}
	sent, err := change(ctx, p, objects)
	if err != nil {
		return nil, err
	}
	if _, err := s.receiver.receipt(ctx, e, time.Minute); err != nil {
		return nil, fmt.Errorf("latency of changes: %w", err)
	}
	arrived, err := s.receiver.arrivals(ctx)
	if err != nil {
		return nil, err
	}
	// The first ones make connections; they are not counted.
	var took []float64
	for i := len(objects) / 10; i < len(objects); i++ {
		took = append(took, float64(arrived[i]-sent[i])/1e6)
	}
	slices.Sort(took)
	return took, nil
}

// change changes each object once at the rate, and returns when each change was begun, in nanoseconds since 1970.
func change(ctx context.Context, p *platform.Platform, objects []*corev1.ConfigMap) ([]int64, error) {
	sent := make([]int64, len(objects))
	tick := time.NewTicker(time.Second / sourceRate)
	defer tick.Stop()
	group, ctx := errgroup.WithContext(ctx)
	for i, o := range objects {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(group.Wait(), context.Cause(ctx))
		}
		group.Go(func() error {
			sent[i] = time.Now().UnixNano()
			o.Data["changed"] = time.Now().Format(time.RFC3339Nano)
			if err := p.Admin.Update(ctx, o); err != nil {
				return fmt.Errorf("change object: %w", err)
			}
			return nil
		})
	}
	return sent, group.Wait()
}
