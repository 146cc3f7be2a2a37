// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// eventTypeEntry is one description of a type, with what it was compiled from. Exactly one of value and
// invalid is set.
type eventTypeEntry struct {
	uid        string
	generation int64
	// eventType is what it describes, and age what tells which of several that do so counts.
	eventType string
	age       hookv1.WebhookEventType
	value     *catalogue.Type
	invalid   *Invalid
}

// applyEventType takes in one description of a type. One that is being deleted is gone.
func (r *Router) applyEventType(ctx context.Context, name delivery.Name) (bool, error) {
	var obj hookv1.WebhookEventType
	switch err := r.cache.Get(ctx, client.ObjectKey(name), &obj); {
	case apierrors.IsNotFound(err) || err == nil && !obj.DeletionTimestamp.IsZero():
		return r.store.dropEventType(name), nil
	case err != nil:
		return false, fmt.Errorf("read event type %s: %w", name, err)
	}
	return r.store.setEventType(&obj), nil
}

// setEventType takes in the state of a description and reports whether what is known changes by it.
func (s *store) setEventType(obj *hookv1.WebhookEventType) bool {
	name := delivery.Name{Namespace: obj.Namespace, Name: obj.Name}
	next := &eventTypeEntry{uid: string(obj.UID), generation: obj.Generation, eventType: string(obj.Spec.Type)}
	if last := s.eventTypes[name]; last != nil && last.uid == next.uid && last.generation == next.generation {
		return false
	}
	next.age.Name, next.age.CreationTimestamp = obj.Name, obj.CreationTimestamp
	value, err := compile.EventType(obj)
	if err != nil {
		next.invalid = next.refused(name, hookv1.ReasonInvalidSpec,
			"WebhookEventType %s is not checked by: see its condition SchemaValid.", obj.Name)
	} else {
		next.value = value
	}
	s.eventTypes[name] = next
	return s.outdated(true)
}

// dropEventType forgets a description that is gone and reports whether there was one.
func (s *store) dropEventType(name delivery.Name) bool {
	_, known := s.eventTypes[name]
	delete(s.eventTypes, name)
	return s.outdated(known)
}

// refused says why events are not checked by a description.
func (e *eventTypeEntry) refused(name delivery.Name, reason, format string, args ...any) *Invalid {
	return &Invalid{
		Kind: hookv1.KindWebhookEventType, Name: name, UID: e.uid, Generation: e.generation,
		Reason: reason, Message: fmt.Sprintf(format, args...),
	}
}

// types returns the descriptions that count, and those that do not: of several of one type the oldest
// rules, whether or not it can be used.
func (s *store) types() (*catalogue.Table, []Invalid) {
	type key struct{ namespace, eventType string }
	rulers := map[key]delivery.Name{}
	for name, e := range s.eventTypes {
		k := key{name.Namespace, e.eventType}
		ruler, taken := rulers[k]
		if !taken || compile.Rules(&e.age, &s.eventTypes[ruler].age) {
			rulers[k] = name
		}
	}
	var values []*catalogue.Type
	var invalid []Invalid
	for name, e := range s.eventTypes {
		switch ruler := rulers[key{name.Namespace, e.eventType}]; {
		case ruler != name:
			invalid = append(invalid, *e.refused(name, hookv1.ReasonTypeConflict,
				"WebhookEventType %s is older and describes the same type: delete one of the two.", ruler.Name))
		case e.invalid != nil:
			invalid = append(invalid, *e.invalid)
		default:
			values = append(values, e.value)
		}
	}
	return catalogue.NewTable(values), invalid
}
