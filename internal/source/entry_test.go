// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/change"
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
