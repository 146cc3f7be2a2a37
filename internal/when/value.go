// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/posthorn-dev/posthorn/internal/filter"
)

// value returns a value of JSON as the node reads it. What is not as the schema says is read as what it is.
func (n *node) value(v any) ref.Val { //nolint:gocyclo // one case a kind
	switch n.kind {
	case integer:
		if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<63 {
			return types.Int(f)
		}
	case number:
		if i, ok := v.(int64); ok {
			return types.Double(i)
		}
	case octets:
		if s, ok := v.(string); ok {
			if b, err := base64.StdEncoding.DecodeString(s); err == nil {
				return types.Bytes(b)
			}
		}
	case timestamp:
		if s, ok := v.(string); ok {
			return parseTime(s)
		}
	case duration:
		if s, ok := v.(string); ok {
			if d, err := time.ParseDuration(s); err == nil {
				return types.Duration{Duration: d}
			}
		}
	case list:
		if l, ok := v.([]any); ok {
			return types.NewDynamicList(adapter{n.elem}, l)
		}
	case mapping:
		if m, ok := v.(map[string]any); ok {
			return types.NewStringInterfaceMap(adapter{n.elem}, m)
		}
	case object:
		if m, ok := v.(map[string]any); ok {
			return &objectValue{node: n, fields: m}
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

func parseTime(s string) ref.Val {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return types.Timestamp{Time: t}
		}
	}
	return types.String(s)
}

// absent returns what a field is read as that the object does not have, and whether it can be read at all.
// The API server leaves out numbers of 0, truths of false and texts, lists and maps that are empty, and
// those are read as what they are. Of all else, absence says something of its own.
func (n *node) absent() (ref.Val, bool) {
	switch n.kind {
	case integer:
		return types.IntZero, true
	case number:
		return types.Double(0), true
	case boolean:
		return types.False, true
	case text:
		return types.String(""), true
	case octets:
		return types.Bytes{}, true
	case list:
		return n.value([]any{}), true
	case mapping:
		return n.value(map[string]any{}), true
	}
	return nil, false
}

// adapter makes values of the elements of a list or a map.
type adapter struct{ node *node }

// NativeToValue returns the value of an element.
func (a adapter) NativeToValue(v any) ref.Val {
	if known, ok := v.(ref.Val); ok {
		return known
	}
	return a.node.value(v)
}

// objectValue is a JSON object as a value of CEL that has fields.
type objectValue struct {
	node   *node
	fields map[string]any
}

var (
	_ ref.Val            = (*objectValue)(nil)
	_ traits.Indexer     = (*objectValue)(nil)
	_ traits.FieldTester = (*objectValue)(nil)
	_ filter.Raw         = (*objectValue)(nil)
)

// ConvertToNative is not supported: expressions are true or false.
func (o *objectValue) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("convert object to %s: name the field that is meant", t)
}

// ConvertToType gives the object's type, and refuses all else.
func (o *objectValue) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return o.node.cel
	}
	return types.NewErr("no such conversion of an object to %s: name the field that is meant", t.TypeName())
}

// Equal compares all that the objects hold.
func (o *objectValue) Equal(other ref.Val) ref.Val {
	switch other := other.(type) {
	case *objectValue:
		return types.Bool(equal(o.fields, other.fields))
	case traits.Mapper:
		return types.DefaultTypeAdapter.NativeToValue(o.fields).Equal(other)
	}
	return types.False
}

// Type returns the type that the schema gives the object.
func (o *objectValue) Type() ref.Type { return o.node.cel }

// Get reads a field by a name that the compiler did not see.
func (o *objectValue) Get(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(index)
	}
	plain, n := o.node.field(string(name))
	if n == nil {
		return types.WrapErr(missingError(name))
	}
	v, err := o.get(plain, n)
	if err != nil {
		return types.WrapErr(err)
	}
	return v
}

// IsSet reports whether the object has the field of that name.
func (o *objectValue) IsSet(field ref.Val) ref.Val {
	name, ok := field.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(field)
	}
	plain, n := o.node.field(string(name))
	return types.Bool(n != nil && o.fields[plain] != nil)
}

// Value returns the object itself, which is what fields are read of.
func (o *objectValue) Value() any { return o }

// Raw returns all that the object holds.
func (o *objectValue) Raw() any { return o.fields }

func (o *objectValue) get(name string, n *node) (ref.Val, error) {
	// A null is what is not there: the API server writes creationTimestamp: null.
	if v := o.fields[name]; v != nil {
		return n.value(v), nil
	}
	if v, ok := n.absent(); ok {
		return v, nil
	}
	return nil, missingError(name)
}

// missingError names a field that an object does not have.
type missingError string

// Error returns the text that CEL has for a missing key.
func (e missingError) Error() string { return "no such field: " + string(e) }

// Is makes it a filter.ErrMissing.
func (e missingError) Is(target error) bool { return target == filter.ErrMissing }

// equal compares two values of JSON.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case int64:
		if f, ok := b.(float64); ok {
			return float64(a) == f
		}
	case float64:
		if i, ok := b.(int64); ok {
			return a == float64(i)
		}
	}
	return a == b
}
