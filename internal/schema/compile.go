// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Bounds of a schema.
const (
	// MaxBytes is how long a schema may be.
	MaxBytes = 64 << 10
	// maxDepth is how deep its objects and lists may be nested.
	maxDepth = 64
	// maxValues is how many values it may hold: compiling takes the square of their number.
	maxValues = 5_000
)

// Draft is the URI of the one draft that schemas are read in, which is what $schema may say.
const Draft = "https://json-schema.org/draft/2020-12/schema"

// base is the name under which a schema is compiled. It never leaves this package.
const base = "posthorn://schema"

// stepFormat is the format that every object of a schema is given before it is compiled: the
// validator calls it before it looks at a value, which is where steps are counted. Formats of the
// author are no loss, since in this draft they are annotations.
const stepFormat = "posthorn-step"

// Schema is one compiled schema. It is safe for concurrent use.
type Schema struct {
	root *jsonschema.Schema
	// mu lets one check run at a time: the steps that it has left are the schema's.
	mu   sync.Mutex
	left int
}

// Compile compiles a schema, an object or a boolean in JSON. The error is an *Error.
func Compile(raw []byte) (s *Schema, err error) {
	defer func() {
		// The compiler panics on some schemas that it does not foresee. One tenant's must end nothing but itself.
		if recover() != nil {
			s, err = nil, &Error{Message: "cannot be compiled; write it more simply"}
		}
	}()
	doc, own, err := parse(raw)
	if err != nil {
		return nil, err
	}
	objects, err := subschemas(doc, own)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		object["format"] = stepFormat
	}
	s = &Schema{}
	c := newCompiler(s.spend)
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: stepFormat, Validate: s.step})
	if s.root, err = compile(c, doc); err != nil {
		return nil, err
	}
	if err := checkChains(s.root); err != nil {
		return nil, err
	}
	return s, nil
}

// parse reads a schema within its bounds, and returns it with the identities of all objects in it.
func parse(raw []byte) (doc any, own map[uintptr]bool, err error) {
	if len(raw) > MaxBytes {
		return nil, nil, &Error{Message: fmt.Sprintf("is longer than the %d bytes that a schema may have; leave out what need not be checked", MaxBytes)}
	}
	doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, &Error{Message: "is not JSON (" + err.Error() + ")"}
	}
	switch doc.(type) {
	case map[string]any, bool:
	default:
		return nil, nil, &Error{Message: "must be an object, such as {\"type\": \"object\"}"}
	}
	c := census{objects: map[uintptr]bool{}}
	if err := c.count(doc, 0); err != nil {
		return nil, nil, err
	}
	return doc, c.objects, nil
}

// census counts the values of a schema.
type census struct {
	values  int
	objects map[uintptr]bool
}

func (c *census) count(v any, depth int) error {
	c.values++
	switch {
	case c.values > maxValues:
		return &Error{Message: fmt.Sprintf("holds more than the %d values that a schema may have; leave out what need not be checked", maxValues)}
	case depth > maxDepth:
		return &Error{Message: fmt.Sprintf("is nested deeper than %d levels; move parts of it below $defs", maxDepth)}
	}
	switch v := v.(type) {
	case json.Number:
		if !calculable(string(v)) {
			return &Error{Message: "holds a number that is too large or too small to calculate with"}
		}
	case map[string]any:
		c.objects[identity(v)] = true
		for _, member := range v {
			if err := c.count(member, depth+1); err != nil {
				return err
			}
		}
	case []any:
		for _, element := range v {
			if err := c.count(element, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// identity tells one object from all others.
func identity(object map[string]any) uintptr { return reflect.ValueOf(object).Pointer() }

// subschemas returns the objects of a document that are schemas, and not values in them: those that
// the compiler compiles.
func subschemas(doc any, own map[uintptr]bool) ([]map[string]any, error) {
	var found []map[string]any
	var foreign error
	c := newCompiler(func(int) {})
	c.AssertVocabs()
	c.RegisterVocabulary(&jsonschema.Vocabulary{
		URL: base + "/vocabulary",
		Compile: func(_ *jsonschema.CompilerContext, object map[string]any) (jsonschema.SchemaExt, error) {
			switch draft, named := object["$schema"].(string); {
			case !own[identity(object)]:
				foreign = remoteRef(Draft)
			case named && strings.TrimSuffix(draft, "#") != Draft:
				foreign = &Error{Message: "$schema must be " + Draft + ", or left out: this is the draft that is read"}
			}
			found = append(found, object)
			return nil, nil
		},
	})
	if _, err := compile(c, doc); err != nil {
		return nil, err
	}
	return found, foreign
}

// newCompiler returns a compiler that loads nothing, and whose patterns pay in steps.
func newCompiler(spend func(steps int)) *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.UseRegexpEngine(newPatterns(spend).compile)
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	return c
}

func compile(c *jsonschema.Compiler, doc any) (*jsonschema.Schema, error) {
	if err := c.AddResource(base, doc); err != nil {
		return nil, &Error{Message: err.Error()}
	}
	root, err := c.Compile(base)
	if err != nil {
		return nil, refusal(err)
	}
	return root, nil
}

// noLoader refuses whatever a schema refers to outside of itself.
type noLoader struct{}

// Load returns ErrRemoteRef.
func (noLoader) Load(string) (any, error) { return nil, ErrRemoteRef }

func remoteRef(url string) *Error {
	return &Error{Cause: ErrRemoteRef, Message: fmt.Sprintf(
		"refers to %s, which is not a part of it: nothing is fetched, so copy what is meant below $defs and write \"$ref\": \"#/$defs/…\"",
		bounded(strings.TrimPrefix(url, base+"/"), maxShown))}
}

// refusal turns an error of the compiler into one for the author.
func refusal(err error) *Error {
	var load *jsonschema.LoadURLError
	var invalid *jsonschema.SchemaValidationError
	switch {
	case errors.As(err, &load):
		return remoteRef(load.URL)
	case errors.As(err, &invalid):
		if v, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err); ok {
			if found := violationsOf(v); len(found) > 0 {
				return &Error{Pointer: found[0].Pointer, Message: found[0].Detail}
			}
		}
	}
	return &Error{Message: bounded(strings.ReplaceAll(err.Error(), base, ""), maxDetail)}
}
