// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// FuzzCompileFilter compiles and evaluates what a tenant writes over what a producer sends: neither
// may panic, run away or fail outside of the documented classes.
func FuzzCompileFilter(f *testing.F) {
	f.Add(`event.data.total > 100 && event.subject.startsWith("orders/")`, []byte(`{"total":101}`))
	f.Add(`event.data.lines.exists(l, l.sku.matches("^a+$"))`, []byte(`{"lines":[{"sku":"aa"}]}`))
	f.Add(`has(event.data.a) || event.?b.orValue("x").split("").join("-").replace("", "y").indexOf("z", 2) < 3`, []byte(`"x"`))
	f.Add(`[event.data].map(d, d + d).map(d, d + d).exists(d, 7 in d)`, []byte(`[1,2]`))
	f.Add(`total`, []byte(`null`))
	f.Fuzz(func(t *testing.T, expression string, data []byte) {
		m, err := NewMatcher([]string{"*"}, nil, expression)
		if err != nil {
			refusal(t, err)
			return
		}
		e := order()
		e.Data = data
		matched, err := m.Matches(NewInput(e))
		if err != nil && (matched || !errors.Is(err, ErrCostExceeded) && !errors.Is(err, ErrEvaluation) && !errors.Is(err, ErrNotBool)) {
			t.Fatalf("matches = %t, %v", matched, err)
		}
	})
}

func FuzzParseTypePattern(f *testing.F) {
	f.Add("com.example.*", "com.example.a")
	f.Add("*", "")
	f.Fuzz(func(t *testing.T, pattern, eventType string) {
		p, err := ParseTypePattern(pattern)
		if err != nil {
			refusal(t, err)
			return
		}
		if p.String() != pattern {
			t.Fatalf("String() = %q, want %q", p, pattern)
		}
		p.Matches(eventType)
	})
}

func FuzzInput(f *testing.F) {
	f.Add("application/json", []byte(`{"a":[1,2.5,null,true,"x",1e400]}`))
	f.Add("text/plain", []byte("\xff"))
	f.Fuzz(func(t *testing.T, contentType string, data []byte) {
		NewInput(&event.Event{DataContentType: contentType, Data: data}).Data()
	})
}
