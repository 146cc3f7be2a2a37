// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/cel-go/common"
)

// maxMessageBytes bounds what CEL says about a failure: enough for a sentence.
const maxMessageBytes = 200

func bound(s string) string {
	if len(s) <= maxMessageBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessageBytes], "") + "…"
}

// isMissing reports whether an evaluation failed because the event lacks what it reads. CEL has no
// exported type for a missing key or index, only its text; the tests hold on to it.
func isMissing(err error) bool {
	if errors.Is(err, ErrMissing) {
		return true
	}
	text := err.Error()
	return strings.HasPrefix(text, "no such key") || strings.HasPrefix(text, "no such attribute") ||
		strings.HasPrefix(text, "index out of bounds")
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']*)'`)
	chain      = regexp.MustCompile(`^[A-Za-z_][\w.]*`)
)

// explain turns what the compiler says into a refusal with the place and the remedy.
func explain(expression string, issue *common.Error) *Error {
	e := &Error{Line: issue.Location.Line(), Column: issue.Location.Column() + 1, Message: bound(issue.Message)}
	switch {
	case undeclared.MatchString(issue.Message):
		name := undeclared.FindStringSubmatch(issue.Message)[1]
		e.Message = explainName(name, wordAt(expression, e.Line, e.Column))
	case undefined.MatchString(issue.Message):
		e.Message = explainField(undefined.FindStringSubmatch(issue.Message)[1])
	case strings.HasPrefix(issue.Message, "Syntax error"):
		e.Message = bound(issue.Message) + "; filters and transforms are written in CEL, see https://cel.dev"
	}
	return e
}

// explainName is about an identifier that is neither the variable nor a function.
func explainName(name, word string) string {
	message := fmt.Sprintf("%q is not known; the only variable is event", name)
	if word == "" {
		return fmt.Sprintf("%q is not known; it is no function of filters", name)
	}
	first, rest, _ := strings.Cut(word, ".")
	if first != name {
		return fmt.Sprintf("%q is not known; it is no function of filters", name)
	}
	suggestion := "event.data." + word
	lower := strings.ToLower(first)
	_, core := attributeTypes[lower]
	switch {
	case lower == eventVariable && rest != "":
		suggestion = eventVariable + "." + rest
	case lower == eventVariable:
		suggestion = eventVariable
	case core && rest != "":
		suggestion = "event." + lower + "." + rest
	case core:
		suggestion = "event." + lower
	case rest != "" && (lower == "body" || lower == "payload" || lower == "object" || lower == "ce" || lower == "cloudevent"):
		suggestion = "event.data." + rest
	}
	return message + fmt.Sprintf("; did you mean %s?", suggestion)
}

// explainField is about an attribute of event that cannot be one.
func explainField(name string) string {
	if name == originAttribute {
		return "event." + originAttribute + " is for filters alone: it is never sent out"
	}
	lower := strings.ToLower(name)
	if isAttributeName(lower) {
		return fmt.Sprintf("event has no attribute %q, names are lower-case; did you mean event.%s, or event.data.%s?", name, lower, name)
	}
	return fmt.Sprintf("event has no attribute %q; did you mean event.data.%s?", name, name)
}

// wordAt returns the dotted name at a place, both counted from 1, or "".
func wordAt(expression string, line, column int) string {
	lines := strings.Split(expression, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	characters := []rune(lines[line-1])
	if column < 1 || column > len(characters) {
		return ""
	}
	return strings.TrimSuffix(chain.FindString(string(characters[column-1:])), ".")
}
