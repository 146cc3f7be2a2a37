// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

func TestImprint_ForgetsRedactionsThatNobodyAsksFor(t *testing.T) {
	redactions := map[string]change.Redaction{}
	for _, pointer := range []string{"/data/a", "/data/b"} {
		r, err := change.ParseRedaction([]string{pointer})
		if err != nil {
			t.Fatal(err)
		}
		redactions[pointer] = r
	}
	w, e := &watch{names: names{}}, &entry{}
	for i, pointer := range []string{"/data/a", "/data/b", "/data/a"} {
		o := look(map[string]any{"data": map[string]any{"left": string(rune('0' + i))}}, false, false, time.Now())
		w.plan = &plan{redactions: []change.Redaction{redactions[pointer]}}
		w.imprint(e, o, nil, true)
		if got, ok := e.imprint(redactions[pointer].Key()); len(e.prints) != 1 || !ok || got != o.print(redactions[pointer]) {
			t.Errorf("after redaction %d the prints are %v, want that of the state as it is", i, e.prints)
		}
	}
}

func TestImprint_KeepsNoStateForATakerThatDoesNotSelectTheObject(t *testing.T) {
	var takers []*taker
	for _, name := range []string{"selects", "passes"} {
		r, err := change.ParseRedaction([]string{"/data/" + name})
		if err != nil {
			t.Fatal(err)
		}
		takers = append(takers, &taker{id: name, source: &compile.EventSource{
			Name: delivery.Name{Namespace: "team", Name: name}, Form: change.FormPatch, Redact: r,
		}})
	}
	w := &watch{names: names{}, plan: newPlan(schema.GroupVersionResource{}, takers)}
	e := &entry{parts: []part{{taker: "selects"}}}
	kept, _ := w.imprint(e, look(map[string]any{"data": map[string]any{"left": "1"}}, false, false, time.Now()), nil, false)
	if key := takers[0].source.Redact.Key(); len(kept) != 1 || kept[key] == nil || len(e.prints) != 2 {
		t.Errorf("kept are %v beside %d prints, want the state for the taker that selects the object and the prints of both", kept, len(e.prints))
	}
}
