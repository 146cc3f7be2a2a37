// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/operators"
)

// maxMessageBytes bounds what CEL says about a failure: enough for a sentence.
const maxMessageBytes = 200

// Bound cuts what CEL says about a failure to a sentence, since it may repeat all of an expression or a value.
func Bound(s string) string {
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
	overload   = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^']*)'`)
	chain      = regexp.MustCompile(`^[A-Za-z_][\w.]*`)
)

// explain turns what the compiler says into a refusal with the place and the remedy.
func explain(env *cel.Env, expression string, issue *common.Error) *Error {
	e := &Error{Line: issue.Location.Line(), Column: issue.Location.Column() + 1}
	switch message := Bound(issue.Message); {
	case undeclared.MatchString(issue.Message):
		name := undeclared.FindStringSubmatch(issue.Message)[1]
		e.Message = explainName(env, name, wordAt(expression, e.Line, e.Column))
	case undefined.MatchString(issue.Message):
		e.Message = explainField(undefined.FindStringSubmatch(issue.Message)[1])
	case overload.MatchString(issue.Message):
		call := overload.FindStringSubmatch(issue.Message)
		e.Message = message + "; " + overloadRemedy(call[1], call[2])
	case strings.HasPrefix(issue.Message, "expected type 'bool'"):
		e.Message = message + `; on both sides of && and || write what is true or false, such as event.id == "1"`
	default:
		e.Message = message + "; correct it, filters and transforms are written in CEL, see https://cel.dev"
	}
	return e
}

// overloadRemedy is about a call of something that is not defined for the types of what it is given, which
// are listed in types.
func overloadRemedy(function, types string) string {
	switch function {
	case operators.Conditional:
		return "before the ? write what is true or false, and after it two values of one type"
	case operators.LogicalNot:
		return `behind the ! write what is true or false, such as !(event.id == "1")`
	case operators.In:
		return `behind in write a list or a map, such as event.id in ["1", "2"]`
	case operators.Index:
		return "only lists and maps have members; a part of a string is event.id.substring(0, 2)"
	}
	_, operator := operators.FindReverse(function)
	switch {
	case operator && strings.Contains(types, "timestamp") && strings.Contains(types, "string"):
		return `write a time as timestamp, such as event.time > timestamp("2026-01-01T00:00:00Z")`
	case operator:
		return "write values of one type, converted where they are not, such as int(event.id) > 100"
	}
	return "give it what it takes, converted where it is of another type, such as string(event.data.total)"
}

// explainName is about an identifier that is neither the variable nor a function.
func explainName(env *cel.Env, name, word string) string {
	message := fmt.Sprintf("%q is not known; the only variable is event", name)
	first, rest, _ := strings.Cut(word, ".")
	if first != name {
		return explainFunction(env, name)
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

// explainFunction is about a call of a function that there is none of.
func explainFunction(env *cel.Env, name string) string {
	if slices.ContainsFunc(env.Macros(), func(m cel.Macro) bool { return m.Function() == name }) {
		return fmt.Sprintf("%q takes other arguments, such as event.data.lines.exists(l, l.n > 1); see https://cel.dev", name)
	}
	message := fmt.Sprintf("%q is not known; it is no function of filters", name)
	for known := range env.Functions() {
		if known != name && strings.EqualFold(known, name) {
			return message + fmt.Sprintf("; did you mean %s?", known)
		}
	}
	return message + "; use one of CEL, see https://cel.dev, or of its libraries of strings, mathematics and base64"
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
