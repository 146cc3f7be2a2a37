// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/posthorn-dev/posthorn/internal/change"
)

// plan is what a watch is to do.
type plan struct {
	// resource is how the kind is served now.
	resource schema.GroupVersionResource
	takers   []*taker
	// redactions are those of the takers, each once, and keepers are, by the key of a redaction, the ids of those for
	// which the last state of the objects that they select is kept.
	redactions []change.Redaction
	keepers    map[string][]string
}

// newPlan returns the plan for the takers.
func newPlan(resource schema.GroupVersionResource, takers []*taker) *plan {
	p := &plan{resource: resource, takers: takers, keepers: map[string][]string{}}
	seen := map[string]bool{}
	for _, t := range takers {
		key := t.source.Redact.Key()
		if !seen[key] {
			seen[key] = true
			p.redactions = append(p.redactions, t.source.Redact)
		}
		if t.keepsObject() {
			p.keepers[key] = append(p.keepers[key], t.id)
		}
	}
	return p
}

// keeps reports whether the last state of an object is to be kept by the redaction of that key: whether a taker that
// needs it selects the object.
func (p *plan) keeps(e *entry, key string) bool {
	return slices.ContainsFunc(p.keepers[key], func(id string) bool { return e.part(id) != nil })
}

// redacts reports whether any taker has the redaction of that key.
func (p *plan) redacts(key string) bool {
	return slices.ContainsFunc(p.redactions, func(r change.Redaction) bool { return r.Key() == key })
}

// taker returns the taker of that id; nil when there is none.
func (p *plan) taker(id string) *taker {
	for _, t := range p.takers {
		if t.id == id {
			return t
		}
	}
	return nil
}
