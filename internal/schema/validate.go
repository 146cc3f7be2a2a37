// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// maxSteps is what one check may take: some 50 ms at worst. A step is one value looked at by one
	// subschema, or as much of a long one as takes about that long. Without the bound a small schema
	// that refers to itself twice takes a time that doubles with each level of the data.
	maxSteps = 250_000
	// bytesPerStep is how much of a text counts as one step; of a list or an object, an element does.
	bytesPerStep = 64
	// maxExponent is the largest exponent of a number in data: the validator calculates with all its
	// digits. Those of float64 lie below it.
	maxExponent = 400
)

// errSteps ends a check that has taken all its steps.
var errSteps = errors.New("the check took too many steps")

// Validate checks data, which is one JSON value, and returns what violates the schema: none when it is
// valid, otherwise at most MaxViolations, in the order of their pointers.
func (s *Schema) Validate(data []byte) []Violation {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return []Violation{{Detail: "is not JSON, which the schema of this type is about"}}
	}
	if at, why := uncheckable(value, nil); why != "" {
		return []Violation{{Pointer: bounded(pointer(at), maxPointer), Detail: why}}
	}
	return s.check(value)
}

// check runs the validator.
func (s *Schema) check(value any) (found []Violation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		// The validator knows no other way to be stopped than a panic. Any other panic is a fault of
		// its own, on which nothing can be said about the data: that is not the same as valid.
		switch r := recover(); r {
		case nil:
		case errSteps:
			found = []Violation{{Detail: "is too large to be checked against the schema of this type: send less, or a reference to it"}}
		default:
			found = []Violation{{Detail: "cannot be checked against the schema of this type"}}
		}
	}()
	s.left = maxSteps
	if v, ok := errors.AsType[*jsonschema.ValidationError](s.root.Validate(value)); ok {
		return violationsOf(v)
	}
	return nil
}

// step counts what it costs to look at a value once. It is a format to the validator, and never fails.
func (s *Schema) step(value any) error {
	steps := 1
	switch value := value.(type) {
	case string:
		steps += len(value) / bytesPerStep
	case []any:
		steps += len(value)
	case map[string]any:
		steps += len(value)
	}
	s.spend(steps)
	return nil
}

// spend ends the check when there are no steps left.
func (s *Schema) spend(steps int) {
	if s.left -= steps; s.left < 0 {
		panic(errSteps)
	}
}

// uncheckable returns the path of what cannot be held against a schema, and why; nothing where all can.
func uncheckable(v any, path []string) (at []string, why string) {
	if len(path) > maxDepth {
		return path, fmt.Sprintf("is nested deeper than the %d levels that can be checked", maxDepth)
	}
	switch v := v.(type) {
	case json.Number:
		if !calculable(string(v)) {
			return path, "is too large or too small a number to be checked"
		}
	case []any:
		for i, element := range v {
			if at, why = uncheckable(element, append(path, strconv.Itoa(i))); why != "" {
				return at, why
			}
		}
	case map[string]any:
		for name, member := range v {
			if at, why = uncheckable(member, append(path, name)); why != "" {
				return at, why
			}
		}
	}
	return nil, ""
}

// calculable reports whether a number has few enough digits, written out.
func calculable(number string) bool {
	mantissa, exponent := number, 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		var err error
		mantissa = number[:i]
		if exponent, err = strconv.Atoi(strings.TrimPrefix(number[i+1:], "+")); err != nil {
			return false
		}
	}
	return len(mantissa) <= maxExponent && -maxExponent <= exponent && exponent <= maxExponent
}
