// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// store holds what was compiled of each object, so that a change of one costs the compilation of one.
// It is used by one goroutine.
type store struct {
	defaults      compile.Defaults
	endpoints     map[delivery.Name]*endpointEntry
	subscriptions map[delivery.Name]*subscriptionEntry
	eventTypes    map[delivery.Name]*eventTypeEntry
	sources       map[delivery.Name]*sourceEntry
	// table is the last one, for as long as nothing changes that it is made from; otherwise nil.
	table *Table
}

// sourceEntry is one event source. Exactly one of value and invalid is set.
type sourceEntry struct {
	uid        string
	generation int64
	value      *compile.EventSource
	invalid    *Invalid
}

// endpointEntry is one endpoint, with what it was compiled from. Exactly one of value and invalid is set.
type endpointEntry struct {
	uid         string
	generation  int64
	enable      string
	credentials []byte
	value       *delivery.Endpoint
	invalid     *Invalid
}

// subscriptionEntry is one subscription. Exactly one of value and invalid is set.
type subscriptionEntry struct {
	uid        string
	generation int64
	value      *delivery.Subscription
	invalid    *Invalid
}

func newStore(d compile.Defaults) *store {
	return &store{
		defaults:      d,
		endpoints:     map[delivery.Name]*endpointEntry{},
		subscriptions: map[delivery.Name]*subscriptionEntry{},
		sources:       map[delivery.Name]*sourceEntry{},
		eventTypes:    map[delivery.Name]*eventTypeEntry{},
	}
}

// setEndpoint takes in the state of an endpoint and of its credentials (nil when there are none), and
// reports whether the routing changes by it. A change of the status alone changes nothing.
func (s *store) setEndpoint(obj *hookv1.WebhookEndpoint, credentials []byte) bool {
	name := delivery.Name{Namespace: obj.Namespace, Name: obj.Name}
	next := &endpointEntry{
		uid:         string(obj.UID),
		generation:  obj.Generation,
		enable:      obj.Annotations[hookv1.AnnotationEnable],
		credentials: credentials,
	}
	last := s.endpoints[name]
	if last != nil && last.sameSource(next) {
		return false
	}
	next.value, next.invalid = s.compileEndpoint(obj, credentials, last)
	s.endpoints[name] = next
	// Two that wait for the same thing are the same to the dispatcher.
	return s.outdated(last == nil || last.value != next.value || !sameInvalid(last.invalid, next.invalid))
}

// outdated drops the last table if what it was made from has changed, and returns whether it has.
func (s *store) outdated(changed bool) bool {
	if changed {
		s.table = nil
	}
	return changed
}

// sameSource reports whether two entries were compiled from the same.
func (e *endpointEntry) sameSource(o *endpointEntry) bool {
	return e.uid == o.uid && e.generation == o.generation && e.enable == o.enable &&
		bytes.Equal(e.credentials, o.credentials)
}

// compileEndpoint compiles an endpoint, or says why that cannot be done. Between a change of the spec
// and the operator's new credentials the endpoint stays as it was, so that an edit interrupts nobody;
// only suspend takes effect at once, since it must work without the operator too.
func (s *store) compileEndpoint(obj *hookv1.WebhookEndpoint, credentials []byte, last *endpointEntry) (*delivery.Endpoint, *Invalid) {
	if len(credentials) == 0 {
		return nil, invalidEndpoint(obj, hookv1.ReasonCredentialsPending,
			"the operator has not yet provided its credentials: see the condition Ready")
	}
	c, err := compile.ParseCredentials(credentials)
	if err != nil {
		return nil, invalidEndpoint(obj, hookv1.ReasonCredentialsPending,
			"its credentials cannot be read: restart the operator, which writes them again")
	}
	value, err := compile.Endpoint(obj, c, s.defaults)
	switch {
	case err == nil:
		return value, nil
	case !errors.Is(err, compile.ErrStaleCredentials):
		return nil, invalidEndpoint(obj, hookv1.ReasonInvalidSpec, err.Error())
	case last != nil && last.value != nil && last.uid == string(obj.UID) && c.Endpoint.UID == last.uid:
		return suspendedAs(last.value, obj), nil
	default:
		return nil, invalidEndpoint(obj, hookv1.ReasonCredentialsPending,
			"the operator has not yet provided the credentials of this generation: see the condition Ready")
	}
}

// suspendedAs returns the compiled endpoint, suspended where the object's newer spec says so.
func suspendedAs(e *delivery.Endpoint, obj *hookv1.WebhookEndpoint) *delivery.Endpoint {
	if e.Suspended || obj.Spec.Suspend == nil || !*obj.Spec.Suspend {
		return e
	}
	suspended := *e
	suspended.Suspended = true
	suspended.Revision += "-suspended"
	return &suspended
}

// invalidEndpoint says why an endpoint is not routed.
func invalidEndpoint(obj *hookv1.WebhookEndpoint, reason, message string) *Invalid {
	return &Invalid{
		Kind:       hookv1.KindWebhookEndpoint,
		Name:       delivery.Name{Namespace: obj.Namespace, Name: obj.Name},
		UID:        string(obj.UID),
		Generation: obj.Generation,
		Reason:     reason,
		Message:    fmt.Sprintf("WebhookEndpoint %s is not routed: %s.", obj.Name, message),
	}
}

// setSubscription takes in the state of a subscription and reports whether the routing changes by it.
func (s *store) setSubscription(obj *hookv1.WebhookSubscription) bool {
	name := delivery.Name{Namespace: obj.Namespace, Name: obj.Name}
	next := &subscriptionEntry{uid: string(obj.UID), generation: obj.Generation}
	if last := s.subscriptions[name]; last != nil && last.uid == next.uid && last.generation == next.generation {
		return false
	}
	value, err := compile.Subscription(obj, s.defaults)
	if err != nil {
		next.invalid = &Invalid{
			Kind:       hookv1.KindWebhookSubscription,
			Name:       name,
			UID:        next.uid,
			Generation: next.generation,
			Reason:     hookv1.ReasonInvalidSpec,
			Message:    fmt.Sprintf("WebhookSubscription %s is not routed: %v.", obj.Name, err),
		}
	} else {
		next.value = value
	}
	s.subscriptions[name] = next
	return s.outdated(true)
}

// setSource takes in the state of an event source and reports whether the sources change by it.
func (s *store) setSource(obj *hookv1.WebhookEventSource) bool {
	name := delivery.Name{Namespace: obj.Namespace, Name: obj.Name}
	next := &sourceEntry{uid: string(obj.UID), generation: obj.Generation}
	if last := s.sources[name]; last != nil && last.uid == next.uid && last.generation == next.generation {
		return false
	}
	value, err := compile.Source(obj)
	if err != nil {
		next.invalid = &Invalid{
			Kind:       hookv1.KindWebhookEventSource,
			Name:       name,
			UID:        next.uid,
			Generation: next.generation,
			Reason:     hookv1.ReasonInvalidSpec,
			Message:    fmt.Sprintf("WebhookEventSource %s is not watched for: %v.", obj.Name, err),
		}
	} else {
		next.value = value
	}
	s.sources[name] = next
	return true
}

// dropSource forgets an event source that is gone and reports whether there was one.
func (s *store) dropSource(name delivery.Name) bool {
	_, known := s.sources[name]
	delete(s.sources, name)
	return known
}

// dropEndpoint forgets an endpoint that is gone and reports whether there was one.
func (s *store) dropEndpoint(name delivery.Name) bool {
	_, known := s.endpoints[name]
	delete(s.endpoints, name)
	return s.outdated(known)
}

// dropSubscription forgets a subscription that is gone and reports whether there was one.
func (s *store) dropSubscription(name delivery.Name) bool {
	_, known := s.subscriptions[name]
	delete(s.subscriptions, name)
	return s.outdated(known)
}

// update returns the present state.
func (s *store) update() Update {
	types, invalid := s.types()
	endpoints := make([]*delivery.Endpoint, 0, len(s.endpoints))
	for _, e := range s.endpoints {
		if e.invalid != nil {
			invalid = append(invalid, *e.invalid)
			continue
		}
		endpoints = append(endpoints, e.value)
	}
	subscriptions := make([]*delivery.Subscription, 0, len(s.subscriptions))
	for _, e := range s.subscriptions {
		if e.invalid != nil {
			invalid = append(invalid, *e.invalid)
			continue
		}
		subscriptions = append(subscriptions, e.value)
	}
	sources := make([]*compile.EventSource, 0, len(s.sources))
	for _, e := range s.sources {
		if e.invalid != nil {
			invalid = append(invalid, *e.invalid)
			continue
		}
		sources = append(sources, e.value)
	}
	slices.SortFunc(sources, func(a, b *compile.EventSource) int { return a.Name.Compare(b.Name) })
	// The table sorts what it holds itself.
	slices.SortFunc(invalid, func(a, b Invalid) int {
		if c := strings.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		return a.Name.Compare(b.Name)
	})
	u := Update{Table: s.table, Types: types, Invalid: invalid, Sources: sources, SameTable: s.table != nil}
	if u.Table == nil {
		u.Table = NewTable(endpoints, subscriptions)
		s.table = u.Table
	}
	return u
}

// sameInvalid reports whether two refusals, either of which may be absent, are equal.
func sameInvalid(a, b *Invalid) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
