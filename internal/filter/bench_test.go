// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import "testing"

func benchmarkMatches(b *testing.B, expression string) {
	b.Helper()
	m, err := NewMatcher([]string{"com.example.*"}, nil, expression)
	if err != nil {
		b.Fatal(err)
	}
	in := NewInput(order())
	in.Data()
	b.ReportAllocs()
	for b.Loop() {
		if got, err := m.Matches(in); !got || err != nil {
			b.Fatal(got, err)
		}
	}
}

func BenchmarkMatches(b *testing.B) {
	benchmarkMatches(b, `event.data.total > 100 && event.subject.startsWith("orders/")`)
}

func BenchmarkMatchesALoop(b *testing.B) {
	benchmarkMatches(b, `event.data.lines.exists(l, l.sku == "b" && l.n > 1)`)
}

func BenchmarkMatchesNoExpression(b *testing.B) { benchmarkMatches(b, "") }

func BenchmarkParseData(b *testing.B) {
	e := order()
	b.ReportAllocs()
	for b.Loop() {
		NewInput(e).Data()
	}
}

func BenchmarkNewMatcher(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewMatcher([]string{"*"}, nil, `event.data.total > 100 && event.subject.startsWith("orders/")`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStoppedLoop(b *testing.B) {
	m, err := NewMatcher([]string{"*"}, nil, `event.data.lines.all(a, `+`[1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, a.n + b + c + d + e > 0)))))`)
	if err != nil {
		b.Fatal(err)
	}
	in := NewInput(order())
	for b.Loop() {
		if _, err := m.Matches(in); err == nil {
			b.Fatal("not stopped")
		}
	}
}
