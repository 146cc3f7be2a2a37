// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
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
			_ = refusal(t, err)
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
			_ = refusal(t, err)
			return
		}
		if p.String() != pattern {
			t.Fatalf("String() = %q, want %q", p, pattern)
		}
		_ = p.Matches(eventType)
	})
}

// FuzzParseJSON holds our parser against encoding/json.
func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(` { "a" : [ 1 , 2.5, null,true,false,"x\\\"",1e400,[ ],{ } ] , "\u0061": -0} `))
	f.Add([]byte(`"\ud83c"`))
	f.Add([]byte(`18446744073709551615`))
	f.Add([]byte("0\f"))
	f.Add([]byte("\"\xff\""))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := parseJSON(b)
		var want any
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		err := d.Decode(&want)
		if err == nil && len(bytes.Trim(b[d.InputOffset():], " \t\r\n")) > 0 {
			err = errors.New("more than one value")
		}
		if ok != (err == nil) {
			t.Fatalf("taken = %t, encoding/json says %v", ok, err)
		}
		if diff := cmp.Diff(numbers(want), got); ok && diff != "" {
			t.Fatalf("value (-encoding/json +ours):\n%s", diff)
		}
	})
}

// numbers replaces every json.Number in v.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return v
}
