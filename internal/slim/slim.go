// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package slim

import (
	"slices"
	"strings"
	"sync"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// Options say what is kept.
type Options struct {
	// Manager is the field manager whose managed fields stay; those of all others go. Empty keeps none.
	Manager string
	// Conditions are the types of the conditions that stay; nil keeps all.
	Conditions []string
}

// Transform returns what informers do to an object before they keep it. It changes the object that it is given.
func Transform(o Options) func(any) (any, error) {
	s := &slimmer{options: o, sets: map[string]*metav1.FieldsV1{}}
	return func(obj any) (any, error) {
		s.slim(obj)
		return obj, nil
	}
}

// slimmer makes objects small. It is safe for concurrent use.
type slimmer struct {
	options Options

	mu sync.Mutex
	// sets holds field sets by what they say, for objects to share: those of one manager are few.
	sets map[string]*metav1.FieldsV1
}

// maxSets bounds the field sets that are kept to be shared.
const maxSets = 256

func (s *slimmer) slim(obj any) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return // a tombstone, whose object was made small when it came
	}
	m.SetNamespace(shared(m.GetNamespace()))
	m.SetManagedFields(s.managed(m.GetManagedFields()))
	m.SetLabels(sharedKeys(m.GetLabels()))
	switch o := obj.(type) {
	case *hookv1.WebhookEndpoint:
		dropLastApplied(m)
		o.Status.Conditions = s.conditions(o.Name, o.Status.Conditions)
	case *hookv1.WebhookSubscription:
		dropLastApplied(m)
		o.Status.Conditions = s.conditions(o.Name, o.Status.Conditions)
	}
	m.SetAnnotations(sharedKeys(m.GetAnnotations()))
}

// dropLastApplied takes away the copy of the manifest that kubectl leaves on what it applies.
func dropLastApplied(m metav1.Object) {
	delete(m.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
}

// managed returns the entries of the manager, without their times.
func (s *slimmer) managed(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	var kept []metav1.ManagedFieldsEntry
	for _, e := range entries {
		if s.options.Manager == "" || e.Manager != s.options.Manager {
			continue
		}
		kept = append(kept, metav1.ManagedFieldsEntry{
			Manager: s.options.Manager, Operation: metav1.ManagedFieldsOperationType(shared(string(e.Operation))),
			APIVersion: shared(e.APIVersion), FieldsType: shared(e.FieldsType), FieldsV1: s.fields(e.FieldsV1),
			Subresource: shared(e.Subresource),
		})
	}
	return kept
}

// fields returns a field set that is shared by all objects with the same.
func (s *slimmer) fields(f *metav1.FieldsV1) *metav1.FieldsV1 {
	if f == nil {
		return nil
	}
	text := f.GetRawBytes()
	s.mu.Lock()
	defer s.mu.Unlock()
	if same := s.sets[string(text)]; same != nil {
		return same
	}
	if len(s.sets) == maxSets {
		clear(s.sets)
	}
	s.sets[string(text)] = f
	return f
}

// conditions returns those that are kept, in no more room than they take. Messages that do not name their object are
// mostly the same for many.
func (s *slimmer) conditions(name string, all []metav1.Condition) []metav1.Condition {
	if len(all) == 0 {
		return nil
	}
	kept := make([]metav1.Condition, 0, len(all))
	for _, c := range all {
		if s.options.Conditions != nil && !slices.Contains(s.options.Conditions, c.Type) {
			continue
		}
		c.Type, c.Status, c.Reason = shared(c.Type), metav1.ConditionStatus(shared(string(c.Status))), shared(c.Reason)
		if !strings.Contains(c.Message, name) {
			c.Message = shared(c.Message)
		}
		kept = append(kept, c)
	}
	return slices.Clone(kept)
}

// sharedKeys returns labels or annotations whose keys are shared.
func sharedKeys(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[shared(k)] = v
	}
	return out
}

// shared returns the string that stands for all that are equal.
func shared(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}
