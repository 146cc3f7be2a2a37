// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"fmt"
	"time"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/problem"
	"github.com/posthorn-dev/posthorn/internal/schema"
)

// typesRetryAfter is what producers are asked to wait while the types are not known after a start.
const typesRetryAfter = time.Second

// typesKnown returns why events cannot be checked yet. A type of the namespace may be enforced, and to
// take an event unchecked would break that promise for good; to wait for a moment breaks none.
func (h *Handler) typesKnown(namespace string) error {
	if h.options.Types == nil {
		return nil
	}
	if _, known := h.options.Types.Namespace(namespace); !known {
		return problem.Unavailable.New("The types of events are being read after a start; try again.").After(typesRetryAfter)
	}
	return nil
}

// typesOf returns the types of the namespace by their type; nil when it describes none.
func (h *Handler) typesOf(namespace string) map[string]*catalogue.Type {
	if h.options.Types == nil {
		return nil
	}
	types, _ := h.options.Types.Namespace(namespace)
	return types
}

// check holds the data of events against the schemas of their types. The first event that is to be
// refused is named, as in all refusals of a batch.
func (h *Handler) check(types map[string]*catalogue.Type, events []*event.Event, batch bool) error {
	if len(types) == 0 {
		return nil
	}
	for i, e := range events {
		t := types[e.Type]
		if t == nil || t.Schema == nil {
			continue
		}
		found := violations(t.Schema, e)
		switch {
		case len(found) == 0:
		case t.Warn:
			h.metrics.warned.Inc()
		default:
			h.metrics.violating.Inc()
			return violating(t, found, i, batch)
		}
	}
	return nil
}

// see notes which types were accepted.
func see(types map[string]*catalogue.Type, events []*event.Event) {
	if len(types) == 0 {
		return
	}
	now := time.Now()
	for _, e := range events {
		if t := types[e.Type]; t != nil {
			t.See(now)
		}
	}
}

// violations checks one event.
func violations(s *schema.Schema, e *event.Event) []schema.Violation {
	switch {
	case e.Data == nil:
		return []schema.Violation{{Detail: "is missing"}}
	case !e.IsJSON():
		return []schema.Violation{{Detail: "is not JSON by its datacontenttype, which the schema of this type is about"}}
	}
	return s.Validate(e.Data)
}

// violating is the answer to an event that violates the schema of its type.
func violating(t *catalogue.Type, found []schema.Violation, index int, batch bool) error {
	place := ""
	if batch {
		place = fmt.Sprintf("event %d of the batch: ", index)
	}
	p := kindViolation.New(fmt.Sprintf("%sdata: violates the schema of %s (WebhookEventType %s); violations says where: "+
		"correct the data, or have the schema changed.", place, t.Type, t.Name)).About("data")
	if batch {
		p.Index = index
	}
	for _, v := range found {
		p.Violations = append(p.Violations, problem.Violation{Pointer: v.Pointer, Detail: v.Detail})
	}
	return p
}
