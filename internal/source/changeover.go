// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"slices"
	"time"
)

// A source that names a kind in another version, or by another field selector, has another watch, which knows nothing
// of what it was told before. That is no beginning: objects that exist are not told of as those of a new source. Where
// only the version is another, both watches tell for a while what happens: an event has the same id in any version, so
// that ingest takes it once.

// overlapFor bounds how long a source goes on with the version that it named before.
const overlapFor = time.Minute

// leaving is a watch that a source goes on with for now.
type leaving struct {
	key   watchKey
	until time.Time
}

// lookedKey is a source, by the id of its takers, and a kind in any version, in the namespace of the watch.
type lookedKey struct{ taker, kind, namespace string }

// readLooked returns which watches earlier runs had, with which sources had looked at all objects of a kind.
func readLooked(checkpoints map[string][]byte) map[lookedKey][]string {
	looked := map[lookedKey][]string{}
	for id, data := range checkpoints {
		c, err := readCheckpoint(data)
		if err != nil {
			continue // the watch begins anew, and says so
		}
		for taker, record := range c.Takers {
			if record.Begun {
				k := lookedKey{taker, c.Kind, c.Namespace}
				looked[k] = append(looked[k], id)
			}
		}
	}
	return looked
}

// lookedAt reports whether a source has looked at all objects of a kind before, with another watch.
func (r *Runner) lookedAt(source string, key watchKey, last *outlook, states map[watchKey]progress) bool {
	kind := kindLabel(key.resource)
	for _, id := range r.earlier[lookedKey{source, kind, key.namespace}] {
		if id != key.id() {
			return true
		}
	}
	if last == nil {
		return false
	}
	for i := range last.rows {
		row := &last.rows[i]
		if kindLabel(row.resource) != kind {
			continue
		}
		if row.looked {
			return true
		}
		for _, k := range row.keys {
			if k != key && k.namespace == key.namespace && states[k].takers[source].begun {
				return true
			}
		}
	}
	return false
}

// overlap has a source go on with the versions that it named before, until it has looked at all objects in those that it
// names now, and was told in the old ones what had happened by then.
func (r *Runner) overlap(last, look *outlook, states map[watchKey]progress, plans map[watchKey]*wanted, now time.Time) {
	if last == nil || look.source.Suspended {
		return
	}
	left := last.leaving
	for i := range last.rows {
		for _, key := range last.rows[i].keys {
			left = append(left, leaving{key, now.Add(overlapFor)})
		}
	}
	id := look.source.Name.String()
	for _, l := range left {
		w := r.watches[l.key]
		if w == nil || now.After(l.until) || !look.awaits(id, l.key, states) {
			continue
		}
		resource, t := w.wantedBy(id)
		if t == nil || t.held {
			continue
		}
		if plans[l.key] == nil {
			plans[l.key] = &wanted{served: &served{resource: resource}}
		}
		plans[l.key].takers = append(plans[l.key].takers, t)
		look.leaving = append(look.leaving, l)
	}
}

// awaits reports whether a source needs a watch still that it named before: it has the right to the version that it
// names now, and that watch has not looked at all objects, or has at a time that the old one has not come to.
func (o *outlook) awaits(id string, left watchKey, states map[watchKey]progress) bool {
	for i := range o.rows {
		row := &o.rows[i]
		for _, key := range row.keys {
			same := left
			same.resource.Version = key.resource.Version
			if key == same && key != left {
				listed := states[key].takers[id].listed
				return !row.refused() && (listed == 0 || states[left].version < listed)
			}
		}
	}
	return false
}

// refused reports whether a right is missing.
func (row *outlookRow) refused() bool {
	return slices.ContainsFunc(row.verdicts, func(v verdict) bool { return v.known && !v.granted })
}
