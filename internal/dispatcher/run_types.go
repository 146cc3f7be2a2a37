// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/routing"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// seenInterval is how often it is looked which types were seen.
const seenInterval = 10 * time.Second

// kindEventType is the kind of the objects that describe types.
const kindEventType = "WebhookEventType"

// typeReporter takes what is to be shown in the status of event types. Its methods return at once.
type typeReporter interface {
	UpdateEventType(f status.EventTypeFacts)
	ForgetEventType(name delivery.Name)
}

// eventTypes are the types that ingest checks events by. They are those of the last routing update:
// without the API server they stay.
type eventTypes struct {
	reporter typeReporter
	table    atomic.Pointer[catalogue.Table]

	mu sync.Mutex
	// reported are the facts of all types, as the reporter has them.
	reported map[delivery.Name]status.EventTypeFacts
}

func newEventTypes(reporter typeReporter) *eventTypes {
	return &eventTypes{reporter: reporter, reported: map[delivery.Name]status.EventTypeFacts{}}
}

// Namespace returns the types of a namespace, and false before the first update.
func (t *eventTypes) Namespace(name string) (map[string]*catalogue.Type, bool) {
	table := t.table.Load()
	if table == nil {
		return nil, false
	}
	return table.Namespace(name), true
}

// of returns the types of a namespace in the order of their names, and false before the first update.
func (t *eventTypes) of(namespace string) ([]*catalogue.Type, bool) {
	table := t.table.Load()
	if table == nil {
		return nil, false
	}
	return table.Of(namespace), true
}

// load takes over the types of an update. They are reported as routed only when every event that
// comes from here on is checked by them.
func (t *eventTypes) load(u routing.Update) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.table.Store(u.Types)
	present := map[delivery.Name]bool{}
	u.Types.All(func(one *catalogue.Type) {
		f := factsOfType(one)
		present[f.Name] = true
		t.report(f)
	})
	for _, i := range u.Invalid {
		if i.Kind == kindEventType {
			present[i.Name] = true
			t.report(status.EventTypeFacts{
				Name: i.Name, UID: i.UID, Generation: i.Generation,
				NotRoutedReason: i.Reason, NotRoutedMessage: i.Message,
			})
		}
	}
	for name := range t.reported {
		if !present[name] {
			delete(t.reported, name)
			t.reporter.ForgetEventType(name)
		}
	}
}

// factsOfType are the facts of a type that events are checked by.
func factsOfType(one *catalogue.Type) status.EventTypeFacts {
	return status.EventTypeFacts{
		Name: delivery.Name{Namespace: one.Namespace, Name: one.Name},
		UID:  one.UID, Generation: one.Generation, Routed: true, LastSeen: one.Seen(),
	}
}

// report hands facts on that are not those of the last time. The caller holds the mutex.
func (t *eventTypes) report(f status.EventTypeFacts) {
	if t.reported[f.Name] != f {
		t.reported[f.Name] = f
		t.reporter.UpdateEventType(f)
	}
}

// watch tells which types were seen, until ctx ends, and then a last time.
func (t *eventTypes) watch(ctx context.Context) error {
	ticker := time.NewTicker(seenInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			t.seen()
			return nil
		case <-ticker.C:
			t.seen()
		}
	}
}

// seen reports the types that were seen since the last time.
func (t *eventTypes) seen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if table := t.table.Load(); table != nil {
		table.All(func(one *catalogue.Type) { t.report(factsOfType(one)) })
	}
}
