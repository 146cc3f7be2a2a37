// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Step is one step of a path into data: to the member of that name, or to any element of a list.
type Step struct {
	Name    string
	Element bool
}

// Lookup looks for a field in what the schema describes. missing is 0 where the data may have it;
// otherwise it is the number of steps up to and with the first that leads nowhere, and nearest is the
// path of the field that is most like it, nil where there is none.
//
// Properties that a schema lists are all that there are, also where it does not forbid others: who
// writes them down means these. Only additionalProperties, patternProperties or
// unevaluatedProperties that admit a name say that there may be more. Where a value may have one of
// several forms, a field of any of them exists, and what a schema says nothing about may be there.
func (s *Schema) Lookup(path []Step) (missing int, nearest []Step) {
	at := expand(s.root)
	for i, step := range path {
		var found verdict
		var next []*jsonschema.Schema
		if step.Element {
			next, found = elements(at)
		} else {
			next, found = property(at, step.Name)
		}
		switch found {
		case unknown:
			return 0, nil
		case absent:
			return i + 1, s.nearest(path[:i], at, step.Name)
		}
		at = expand(next...)
	}
	return 0, nil
}

// verdict says what a schema knows of a step.
type verdict int

const (
	// unknown: it says nothing about it, so that anything may be there.
	unknown verdict = iota
	// present: it describes what is there.
	present
	// absent: there is no such field.
	absent
)

// expand returns the schemas and all that say more about the same value: what they refer to, and what
// they are composed of.
func expand(roots ...*jsonschema.Schema) []*jsonschema.Schema {
	var all []*jsonschema.Schema
	seen := map[*jsonschema.Schema]bool{}
	var add func(...*jsonschema.Schema)
	add = func(schemas ...*jsonschema.Schema) {
		for _, s := range schemas {
			if s == nil || seen[s] {
				continue
			}
			seen[s] = true
			all = append(all, s)
			add(s.Ref, s.If, s.Then, s.Else)
			add(s.AllOf...)
			add(s.AnyOf...)
			add(s.OneOf...)
			for _, name := range slices.Sorted(maps.Keys(s.DependentSchemas)) {
				add(s.DependentSchemas[name])
			}
			if s.DynamicRef != nil {
				add(s.DynamicRef.Ref)
			}
		}
	}
	add(roots...)
	return all
}

// property finds what the schemas of one value say about a member of it.
func property(at []*jsonschema.Schema, name string) ([]*jsonschema.Schema, verdict) { //nolint:gocyclo // one line a keyword
	var described, others []*jsonschema.Schema
	var open, closed, scalar, object bool
	for _, s := range at {
		if sub, ok := s.Properties[name]; ok && !refuses(sub) {
			described = append(described, sub)
		}
		for pattern, sub := range s.PatternProperties {
			if matches(pattern, name) && !refuses(sub) {
				described = append(described, sub)
			}
		}
		for _, rest := range []any{s.AdditionalProperties, s.UnevaluatedProperties} {
			sub, admits := admitted(rest)
			open = open || admits
			if sub != nil {
				others = append(others, sub)
			}
			closed = closed || rest != nil && !admits && rest != (*jsonschema.Schema)(nil)
		}
		lists := len(s.Properties)+len(s.PatternProperties) > 0
		closed = closed || lists
		object = object || lists || s.Types != nil && slices.Contains(s.Types.ToStrings(), "object")
		scalar = scalar || s.Types != nil && !slices.Contains(s.Types.ToStrings(), "object")
	}
	switch {
	case len(described) > 0:
		return described, present
	case open && len(others) > 0:
		return others, present
	case open:
		return nil, unknown
	case closed, scalar && !object:
		return nil, absent
	}
	return nil, unknown
}

// matches asks a pattern for a name. It is not on the way of an event, and costs no steps.
func matches(p jsonschema.Regexp, name string) bool {
	if p, ok := p.(*pattern); ok {
		return p.Regexp.MatchString(name)
	}
	return false
}

// refuses reports whether a schema is false: a property that must not be there.
func refuses(s *jsonschema.Schema) bool { return s.Bool != nil && !*s.Bool }

// admitted reads additionalProperties and its like: whether further members are admitted, and by
// which schema, nil where by any.
func admitted(rest any) (sub *jsonschema.Schema, admits bool) {
	switch rest := rest.(type) {
	case bool:
		return nil, rest
	case *jsonschema.Schema:
		switch {
		case rest == nil:
			return nil, false
		case rest.Bool != nil:
			return nil, *rest.Bool
		}
		return rest, true
	}
	return nil, false
}

// elements finds what the schemas of one value say about the elements of it.
func elements(at []*jsonschema.Schema) ([]*jsonschema.Schema, verdict) {
	var described []*jsonschema.Schema
	for _, s := range at {
		if len(s.PrefixItems) > 0 && s.Items2020 == nil {
			return nil, unknown // the elements behind them may be anything
		}
		described = append(described, s.PrefixItems...)
		if s.Items2020 != nil && s.Items2020.Bool == nil {
			described = append(described, s.Items2020)
		}
	}
	if len(described) == 0 {
		return nil, unknown
	}
	return described, present
}
