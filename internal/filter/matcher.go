// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"slices"
)

// Matcher is what one subscription wants, compiled. It is immutable and safe for concurrent use.
type Matcher struct {
	types   []TypePattern
	sources []sourcePattern
	filter  *program
}

// NewMatcher compiles patterns on types and sources and an expression in CEL. No types want
// nothing; no sources want every source; an empty expression wants every event. An error is an
// *Error whose Field is "types[i]", "sources[i]" or "filter".
func NewMatcher(types, sources []string, expression string) (*Matcher, error) {
	m := &Matcher{}
	for i, s := range types {
		p, err := ParseTypePattern(s)
		if err != nil {
			return nil, inField(fmt.Sprintf("types[%d]", i), err)
		}
		m.types = append(m.types, p)
	}
	for i, s := range sources {
		p, err := parseSourcePattern(s)
		if err != nil {
			return nil, inField(fmt.Sprintf("sources[%d]", i), err)
		}
		m.sources = append(m.sources, p)
	}
	if expression != "" {
		p, err := compileFilter(expression)
		if err != nil {
			return nil, inField("filter", err)
		}
		m.filter = p
	}
	return m, nil
}

// inField names the field of an *Error.
func inField(field string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", field, err)
	}
	placed := *e
	placed.Field = field
	return &placed
}

// Types returns the patterns on event types, for the router's index. The slice is the caller's.
func (m *Matcher) Types() []TypePattern { return slices.Clone(m.types) }

// HasExpression reports whether there is an expression to evaluate.
func (m *Matcher) HasExpression() bool { return m.filter != nil }

// MatchesType reports whether one of the patterns wants the event type.
func (m *Matcher) MatchesType(eventType string) bool {
	for _, p := range m.types {
		if p.Matches(eventType) {
			return true
		}
	}
	return false
}

// Matches reports whether source and expression want the event. Types are not looked at again: the
// router's index has done so.
//
// An expression that reads what the event does not have does not match, which is no error:
// event.data.total > 100 is false of an event without a total. Every other failure is
// ErrCostExceeded, ErrNotBool or ErrEvaluation, and does not match either; callers count it.
func (m *Matcher) Matches(in *Input) (bool, error) {
	if !m.matchesSource(in.event.Source) {
		return false, nil
	}
	if m.filter == nil {
		return true, nil
	}
	wanted, err := truth(m.filter.eval(&in.filtered))
	if errors.Is(err, ErrMissing) {
		return false, nil
	}
	return wanted, err
}

func (m *Matcher) matchesSource(source string) bool {
	if len(m.sources) == 0 {
		return true
	}
	for _, p := range m.sources {
		if p.matches(source) {
			return true
		}
	}
	return false
}
