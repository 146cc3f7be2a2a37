// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/event"
)

// TypeGap is the type of the event that declares a gap.
const TypeGap = "dev.posthorn.source.gap"

// eventsLiveFor is how long the API server keeps Kubernetes Events (its flag --event-ttl, by default).
const eventsLiveFor = time.Hour

// gap is an interval of which the cluster has forgotten what happened.
type gap struct {
	from, to time.Time
	// declared is when it was told.
	declared time.Time
}

// lost returns what a watch that was last up to date at a time cannot find out any more: Kubernetes Events that came
// and went. Of other resources the net effect tells.
func lost(r change.Resource, last, now time.Time) *gap {
	if !change.IsKubernetesEvent(r) || last.IsZero() || now.Sub(last) <= eventsLiveFor {
		return nil
	}
	return &gap{from: last, to: now.Add(-eventsLiveFor), declared: now}
}

// declareGap tells the sources that had begun of what is lost.
func (w *watch) declareGap(ctx context.Context, last time.Time, begun []*taker) error {
	g := lost(w.key.resource, last, time.Now())
	if g == nil || len(begun) == 0 {
		return nil
	}
	w.meter.gaps.WithLabelValues(kindLabel(w.key.resource)).Inc()
	w.logger.Warn("Has to leave a gap, since the cluster has forgotten what happened", "from", g.from, "to", g.to)
	w.mu.Lock()
	w.progress.gap = g
	w.mu.Unlock()
	b := newBatch()
	for _, t := range begun {
		e, err := g.event(t)
		if err != nil {
			return err
		}
		b.emissions = append(b.emissions, emission{taker: t, event: e})
	}
	return w.store(ctx, b)
}

// event declares the gap to the subscriptions of a source's namespace.
func (g *gap) event(t *taker) (*event.Event, error) {
	data, err := json.Marshal(map[string]any{
		"apiVersion": t.resource.APIVersion(), "kind": t.resource.Kind,
		"from": g.from.UTC().Format(time.RFC3339), "to": g.to.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return nil, fmt.Errorf("encode gap: %w", err)
	}
	return &event.Event{
		Namespace:       t.source.Name.Namespace,
		ID:              "gap-" + kindLabel(t.resource) + "-" + g.from.UTC().Format(time.RFC3339),
		Source:          change.Source(t.source.Name.Namespace, t.source.Name.Name),
		Type:            TypeGap,
		Subject:         t.source.Name.Name,
		DataContentType: "application/json",
		Time:            g.to.UTC(),
		Origin:          t.origin(),
		Data:            data,
	}, nil
}
