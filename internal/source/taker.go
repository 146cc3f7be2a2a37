// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/edge"
	"github.com/posthorn-dev/posthorn/internal/when"
)

// taker is one source's part in one watch. It is immutable.
type taker struct {
	source *compile.EventSource
	// changed says that somebody reads which paths have changed.
	changed bool
	// id is the source's namespace and name, by which its parts and records are kept.
	id       string
	resource change.Resource
	labels   labels.Selector
	// program is nil without an expression.
	program *when.Program
	policy  edge.Policy
	// shape changes whenever the objects have to be gone through again.
	shape string
	// held says that what happens is remembered and not told: the source is suspended, may not see the resource,
	// does not compile, or was deleted a short while ago.
	held bool
	// looked says that the source has looked at all objects before, with another watch.
	looked bool
	// namespaceLabels returns the labels of a namespace.
	namespaceLabels func(namespace string) labels.Labels
}

// newTaker returns a source's part in the watch of one of its resources.
func newTaker(s listedSource, r compile.Resource, program *when.Program, held bool, namespaceLabels func(string) labels.Labels) *taker {
	t := &taker{
		source: s.EventSource, changed: s.changed, id: s.Name.String(),
		resource: change.Resource{Group: r.Group, Version: r.Version, Kind: r.Kind},
		labels:   r.Labels, program: program, held: held, namespaceLabels: namespaceLabels,
	}
	if s.When != nil {
		t.policy = *s.When
	}
	t.shape = t.fingerprint()
	return t
}

// fingerprint returns the shape: what decides which objects are selected, and what is kept of them.
func (t *taker) fingerprint() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s %q %q %t %q %d %q %q %q",
		t.labels, t.source.Namespaces.From, fmt.Sprint(t.source.Namespaces.Selector), t.source.Redact.Key(), t.keepsObject(),
		t.policy.Expression, t.policy.Emit,
		t.source.Occurrences.Types, t.source.Occurrences.Reasons, t.source.Occurrences.RegardingKinds))
	return hex.EncodeToString(sum[:8])
}

// hasEdge reports whether the taker tells of an expression that turns. Kubernetes Events have series in its place.
func (t *taker) hasEdge() bool {
	return t.program != nil && t.policy.Emit != edge.EveryMatch && !change.IsKubernetesEvent(t.resource)
}

// keepsObject reports whether the last state of every object has to be kept: to compare with, to judge a deletion by,
// or to send once an expression has held for long enough, or a series has ended.
func (t *taker) keepsObject() bool {
	switch {
	case t.source.Form == change.FormPatch || t.changed:
		return true
	case t.source.Occurrences.Series == change.SeriesFinished && change.IsKubernetesEvent(t.resource):
		return true
	case t.program == nil:
		return false
	case t.hasEdge():
		return t.program.UsesOldObject() || t.policy.For > 0 && t.source.Form != change.FormReference ||
			t.program.UsesOperation() && t.source.Takes(change.Deleted)
	default:
		return t.program.UsesOldObject() || t.source.Takes(change.Deleted)
	}
}

// heldKey is what the state of an object that the taker was told of last is kept by, while it waits to be told of a later
// one. No redaction has such a key.
func (t *taker) heldKey() string { return "held by " + t.id + " " + t.source.Redact.Key() }

// selects reports whether the object is one that the taker is to tell of. object is sanitized.
func (t *taker) selects(ref change.Reference, object map[string]any) bool {
	var namespace labels.Labels = noLabels
	if t.source.Namespaces.From == hookv1.FromNamespacesSelector {
		namespace = t.namespaceLabels(ref.Namespace)
	}
	if !t.source.Admits(ref.Namespace, namespace) || !t.labels.Matches(labels.Set(ref.Labels)) {
		return false
	}
	if !change.IsKubernetesEvent(t.resource) {
		return true
	}
	e, ok := change.ParseKubernetesEvent(object)
	return ok && t.source.Occurrences.Admits(&e)
}
