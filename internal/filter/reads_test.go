// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shown writes reads as line:column path.
func shown(reads []Read) []string {
	var out []string
	for _, r := range reads {
		var path []string
		for _, s := range r.Path {
			name := s.Name
			if s.Element {
				name = "[]"
			}
			path = append(path, name)
		}
		out = append(out, fmt.Sprintf("%d:%d %s", r.Line, r.Column, strings.Join(path, ".")))
	}
	return out
}

func TestReadsOfFilter_FindsTheFieldsOfTheData(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		expression string
		want       []string
	}{
		"none":                          {`event.type == "a" && event.subject.startsWith("data.x") && event.myextension == "x"`, nil},
		"the data itself":               {`event.data == "x"`, nil},
		"a field":                       {`event.data.total > 100`, []string{"1:11 total"}},
		"a field of a field":            {`event.data.customer.email == "a"`, []string{"1:11 customer", "1:20 customer.email"}},
		"on the second line":            {"true &&\nevent.data.total > 1", []string{"2:11 total"}},
		"a test of presence":            {`has(event.data.total)`, []string{"1:4 total"}},
		"an index":                      {`event.data["total"] == 1`, []string{"1:11 total"}},
		"an element":                    {`event.data.items[0].sku == "a"`, []string{"1:11 items", "1:20 items.[].sku"}},
		"a computed index":              {`event.data[event.subject].sku == "a"`, nil},
		"an optional field":             {`event.data.?customer.?email.orValue("") == "a"`, []string{"1:11 customer", "1:21 customer.email"}},
		"an optional index":             {`event.data[?"total"].orValue(1) == 1`, []string{"1:11 total"}},
		"a value of an optional":        {`event.data.?customer.value().email == "a"`, []string{"1:11 customer", "1:29 customer.email"}},
		"elements in a loop":            {`event.data.items.exists(i, i.sku == "a")`, []string{"1:11 items", "1:29 items.[].sku"}},
		"a loop in a loop":              {`event.data.a.all(x, x.b.exists(y, y.c == x.d))`, []string{"1:11 a", "1:22 a.[].b", "1:36 a.[].b.[].c", "1:43 a.[].d"}},
		"a variable named like another": {`[1].exists(data, data == 1) && event.data.items.all(event, event.sku == "a")`, []string{"1:42 items", "1:65 items.[].sku"}},
		"a list that was computed":      {`event.data.items.filter(i, i.sku == "a")[0].price > 1`, []string{"1:11 items", "1:29 items.[].sku"}},
		"a choice":                      {`event.data.a ? event.data.b == 1 : [event.data.c] == [1] && {"x": event.data.d}.x == 1`, []string{"1:11 a", "1:26 b", "1:47 c", "1:77 d"}},
		"a function":                    {`size(event.data.a) + int(event.data.b) > 0`, []string{"1:16 a", "1:36 b"}},
		"an optional that is mapped":    {`event.data.?customer.optMap(c, c.email == "a").orValue(false)`, []string{"1:11 customer", "1:11 customer", "1:33 customer.email"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reads, err := ReadsOfFilter(tc.expression)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, shown(reads)); diff != "" {
				t.Errorf("reads (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadsOfTransform_FindsTheFieldsOfTheData(t *testing.T) {
	t.Parallel()
	reads, err := ReadsOfTransform(`{"id": event.id, "text": "order " + event.data.id, "skus": event.data.items.map(i, i.sku)}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1:47 id", "1:70 items", "1:85 items.[].sku"}, shown(reads)); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
}

func TestReads_RefuseWhatDoesNotCompile(t *testing.T) {
	t.Parallel()
	for field, read := range map[string]func(string) ([]Read, error){"filter": ReadsOfFilter, "transform": ReadsOfTransform} {
		_, err := read(`event.data.total >`)
		var e *Error
		if !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: error %v", field, err)
		}
	}
}
