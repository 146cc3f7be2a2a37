// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"time"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/edge"
)

// tells reports whether an event told of the very state that is observed.
func (l told) tells(o *observation) bool {
	return l.edge == change.NoEdge && !o.gone && l.version == o.version
}

// lapse returns what an earlier run told of the object last, and whether it did not come to remember that, and the
// watch will not show it again: what is remembered is then not what was told last.
func (w *watch) lapse(t *taker, e *entry, o *observation) (told, bool) {
	last, ok := w.sent.last(t, e.uid)
	differs := w.recovering && last.version > e.version || last.ends(e.part(t.id))
	return last, ok && o.net && last.sequence > w.remembered && differs && (o.gone || o.version >= last.version)
}

// ends reports whether an event told of the end of the edge that a part remembers.
func (l told) ends(p *part) bool {
	return l.edge == change.Recovered && p != nil && p.extra != nil && p.extra.edge.Revision == l.object.ResourceVersion
}

// agree takes in a state that an earlier run has told of.
func (w *watch) agree(t *taker, e *entry, o *observation, selected bool) {
	if !selected {
		e.drop(t.id)
		return
	}
	w.passOver(t, e.selected(t.id), o, o.view(t.source.Redact))
}

// recall has a part remember what was told last.
func (w *watch) recall(t *taker, p *part, last told) {
	x := p.copied()
	switch {
	case last.edge == change.Turned && t.hasEdge():
		x.edge = edge.State{
			Revision: last.object.ResourceVersion, Since: time.Now(), Announced: true, Expression: t.policy.ExpressionKey(),
		}
	case last.edge == change.Recovered:
		x.edge = edge.State{}
	case last.edge == change.NoEdge && change.IsKubernetesEvent(t.resource):
		x.series.Emitted = max(x.series.Emitted, 1)
	}
	p.set(&x)
}
