// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxChain is how many subschemas may follow from each other about one and the same value. Each is a
// call within a call for the validator, and so they are for each level of the data: without a bound a
// check could take 100 MB of stack.
const maxChain = 64

// checkChains refuses a schema in which more than maxChain subschemas follow from each other.
func checkChains(root *jsonschema.Schema) error {
	c := chains{longest: map[*jsonschema.Schema]int{}, seen: map[*jsonschema.Schema]bool{}}
	for todo := []*jsonschema.Schema{root}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s == nil || c.seen[s] {
			continue
		}
		c.seen[s] = true
		if c.of(s) > maxChain {
			return &Error{Message: fmt.Sprintf("has more than %d subschemas that follow from each other by $ref, allOf and "+
				"their like; refer to the last one at once", maxChain)}
		}
		todo = append(append(todo, aboutTheSame(s)...), aboutParts(s)...)
	}
	return nil
}

// chains measures what follows from a schema about the same value.
type chains struct {
	longest map[*jsonschema.Schema]int
	seen    map[*jsonschema.Schema]bool
}

// of returns the number of subschemas in the longest chain from here. What leads back ends a chain: the
// validator does not follow it either.
func (c *chains) of(s *jsonschema.Schema) int {
	if known, ok := c.longest[s]; ok {
		return known
	}
	c.longest[s] = 0 // while it is being measured
	longest := 0
	for _, next := range aboutTheSame(s) {
		if next != nil {
			longest = max(longest, c.of(next))
		}
	}
	c.longest[s] = longest + 1
	return longest + 1
}

// aboutTheSame returns the subschemas that a value must match, or may, when it is held against a schema.
func aboutTheSame(s *jsonschema.Schema) []*jsonschema.Schema {
	all := []*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else}
	all = append(append(append(all, s.AllOf...), s.AnyOf...), s.OneOf...)
	for _, sub := range s.DependentSchemas {
		all = append(all, sub)
	}
	if s.DynamicRef != nil {
		all = append(all, s.DynamicRef.Ref)
	}
	return all
}

// aboutParts returns the subschemas that members and elements of a value are held against.
func aboutParts(s *jsonschema.Schema) []*jsonschema.Schema {
	all := []*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems}
	all = append(all, s.PrefixItems...)
	for _, sub := range s.Properties {
		all = append(all, sub)
	}
	for _, sub := range s.PatternProperties {
		all = append(all, sub)
	}
	if sub, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		all = append(all, sub)
	}
	return all
}
