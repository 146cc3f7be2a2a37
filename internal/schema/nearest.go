// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// searchDepth and searchFields bound the search for a field elsewhere in a schema, which may
	// describe an endless tree.
	searchDepth  = 6
	searchFields = 2_000
	// elsewhere is what a field costs more, in letters, when it stands in another place.
	elsewhere = 2
	// maxCompared is how much of a name is compared, in characters.
	maxCompared = 64
)

// nearest returns the path of the field that is most like a name that is missing below a path: one in
// the same place that differs in few letters, or else one of about this name elsewhere.
func (s *Schema) nearest(below []Step, at []*jsonschema.Schema, name string) []Step {
	var best []Step
	least := 0
	consider := func(path []Step, field string, extra int) {
		if d := distance(name, field) + extra; best == nil || d < least {
			best, least = append(slices.Clone(path), Step{Name: field}), d
		}
	}
	for _, field := range fieldsOf(at) {
		consider(below, field, 0)
	}
	w := walk{left: searchFields, visit: func(path []Step, field string) {
		// Elsewhere only what is about the same name is a help.
		if distance(name, field) <= len([]rune(name))/3 {
			consider(path, field, elsewhere)
		}
	}}
	w.below(nil, expand(s.root))
	return best
}

// walk visits the fields of a schema, from the top.
type walk struct {
	left  int
	visit func(path []Step, field string)
}

func (w *walk) below(path []Step, at []*jsonschema.Schema) {
	if len(path) > searchDepth {
		return
	}
	fields := fieldsOf(at)
	for _, field := range fields {
		if w.left--; w.left < 0 {
			return
		}
		w.visit(path, field)
	}
	for _, field := range fields {
		if next, found := property(at, field); found == present && w.left > 0 {
			w.below(append(slices.Clone(path), Step{Name: field}), expand(next...))
		}
	}
	if next, found := elements(at); found == present && w.left > 0 {
		w.below(append(slices.Clone(path), Step{Element: true}), expand(next...))
	}
}

// fieldsOf lists the fields that the schemas of one value have, in order.
func fieldsOf(at []*jsonschema.Schema) []string {
	names := map[string]bool{}
	for _, s := range at {
		for name, sub := range s.Properties {
			if !refuses(sub) {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// distance is how many letters must be added, taken away or replaced to make one name of the other,
// whatever their case.
func distance(a, b string) int {
	x, y := compared(a), compared(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			replaced := diagonal
			if x[i] != y[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}

func compared(s string) []rune {
	r := []rune(strings.ToLower(s))
	return r[:min(len(r), maxCompared)]
}
