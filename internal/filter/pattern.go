// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPatternBytes bounds a pattern. Longer types and sources exist, and are matched by a prefix.
const maxPatternBytes = 1024

// TypePattern says which event types are wanted. Exactly one of its members is set.
type TypePattern struct {
	// Exact is the one type that matches.
	Exact string
	// Prefix is what a type begins with, its last dot included, before something more.
	Prefix string
	// All matches every type.
	All bool
}

// ParseTypePattern reads a pattern on event types: "*" for all of them, a type for itself, or a
// prefix such as "com.example.*", whose star stands for one segment or more.
func ParseTypePattern(s string) (TypePattern, error) {
	if err := checkPattern(s); err != nil {
		return TypePattern{}, err
	}
	if s == "*" {
		return TypePattern{All: true}, nil
	}
	prefix, wild := strings.CutSuffix(s, "*")
	if strings.Contains(prefix, "*") || wild && !strings.HasSuffix(prefix, ".") || prefix == "." {
		return TypePattern{}, &Error{Message: `a star stands alone or last, behind a dot; write "*", "com.example.*" or a whole type`}
	}
	if wild {
		return TypePattern{Prefix: prefix}, nil
	}
	return TypePattern{Exact: s}, nil
}

// Matches reports whether the pattern wants the event type.
func (p TypePattern) Matches(eventType string) bool {
	switch {
	case p.All:
		return true
	case p.Prefix != "":
		return len(eventType) > len(p.Prefix) && strings.HasPrefix(eventType, p.Prefix)
	}
	return p.Exact != "" && p.Exact == eventType
}

// String returns the pattern as it was written.
func (p TypePattern) String() string {
	switch {
	case p.All:
		return "*"
	case p.Prefix != "":
		return p.Prefix + "*"
	}
	return p.Exact
}

// sourcePattern says which sources are wanted: one, or all that begin with a prefix. Sources are
// URIs of any form, so the star may stand behind any character, unlike in a type.
type sourcePattern struct {
	text string
	wild bool
}

func parseSourcePattern(s string) (sourcePattern, error) {
	if err := checkPattern(s); err != nil {
		return sourcePattern{}, err
	}
	prefix, wild := strings.CutSuffix(s, "*")
	if strings.Contains(prefix, "*") {
		return sourcePattern{}, &Error{Message: `a star stands alone or last; write "*", "https://example.com/*" or a whole source`}
	}
	return sourcePattern{text: prefix, wild: wild}, nil
}

func (p sourcePattern) matches(source string) bool {
	if p.wild {
		return strings.HasPrefix(source, p.text)
	}
	return source == p.text
}

func checkPattern(s string) error {
	switch {
	case s == "":
		return &Error{Message: `must not be empty; write "*" for all`}
	case len(s) > maxPatternBytes:
		return &Error{Message: fmt.Sprintf("must not be longer than %d bytes; write a prefix with a star", maxPatternBytes)}
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return &Error{Message: "must be UTF-8 without control characters, as types and sources are"}
	case strings.TrimSpace(s) != s:
		return &Error{Message: "must not begin or end with a space"}
	}
	return nil
}
