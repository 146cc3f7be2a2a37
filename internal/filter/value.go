// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// eventVariable is the one variable of an expression, and the name of its type. A type that is
// named like the variable cannot be written as a literal.
const eventVariable = "event"

// originAttribute is the attribute under which filters see an event's Origin.
const originAttribute = "posthornorigin"

var eventType = types.NewObjectType(eventVariable)

// eventValue is an event as a value of CEL.
type eventValue struct {
	in         *Input
	withOrigin bool
}

var (
	_ ref.Val            = (*eventValue)(nil)
	_ traits.Indexer     = (*eventValue)(nil)
	_ traits.FieldTester = (*eventValue)(nil)
)

// ConvertToNative is not supported: an event leaves an expression attribute by attribute.
func (v *eventValue) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("convert event to %s: name the attribute that is meant", t)
}

// ConvertToType gives the event's type, and refuses all else.
func (v *eventValue) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return eventType
	}
	return types.NewErr("no such conversion of event to %s: name the attribute that is meant", t.TypeName())
}

// Equal is true of the event and itself: there is only one in an evaluation.
func (v *eventValue) Equal(other ref.Val) ref.Val { return types.Bool(other == ref.Val(v)) }

// Type returns the type of event.
func (v *eventValue) Type() ref.Type { return eventType }

// Get reads an attribute by a name that the compiler did not see, as in event.?subject.
func (v *eventValue) Get(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(index)
	}
	value, ok := get(v, string(name))
	if !ok {
		return types.WrapErr(missingError(name))
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// IsSet reports whether the event has the attribute of that name.
func (v *eventValue) IsSet(field ref.Val) ref.Val {
	name, ok := field.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(field)
	}
	_, ok = get(v, string(name))
	return types.Bool(ok)
}

// Value returns the event itself, which is what get reads.
func (v *eventValue) Value() any { return v }

// missingError names an attribute that the event does not have.
type missingError string

// Error returns the text that CEL has for a missing key.
func (e missingError) Error() string { return "no such attribute: " + string(e) }

// Is makes it an ErrMissing.
func (e missingError) Is(target error) bool { return target == ErrMissing }

// field describes the attribute of that name to the compiler and to the interpreter: its type, how
// it is read, and how has() finds it. It reports false for what is no name of an attribute.
func field(name string, withOrigin bool) (*types.FieldType, bool) {
	t, known := attributeTypes[name]
	switch {
	case name == originAttribute && !withOrigin:
		return nil, false
	case !known && !isAttributeName(name):
		return nil, false
	case !known:
		t = types.DynType // an extension
	}
	return &types.FieldType{
		Type:  t,
		IsSet: func(target any) bool { _, ok := get(target, name); return ok },
		GetFrom: func(target any) (any, error) {
			if v, ok := get(target, name); ok {
				return v, nil
			}
			return nil, missingError(name)
		},
	}, true
}

// attributeTypes are the types of what every event may have.
var attributeTypes = map[string]*types.Type{
	"id": types.StringType, "source": types.StringType, "type": types.StringType,
	"specversion": types.StringType, "subject": types.StringType, "time": types.TimestampType,
	"datacontenttype": types.StringType, "dataschema": types.StringType,
	"data": types.DynType, originAttribute: types.StringType,
}

// isAttributeName reports whether an extension may have the name.
func isAttributeName(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) < 0
}

// get reads an attribute. An optional one that is absent is not there, and not empty.
func get(target any, name string) (any, bool) {
	v, ok := target.(*eventValue)
	if !ok {
		return nil, false
	}
	e := v.in.event
	switch name {
	case "data":
		return v.in.Data(), e.Data != nil
	case "time":
		return types.Timestamp{Time: e.Time}, !e.Time.IsZero()
	case "specversion":
		return types.String("1.0"), true
	case "id":
		return text(e.ID)
	case "source":
		return text(e.Source)
	case "type":
		return text(e.Type)
	case "subject":
		return text(e.Subject)
	case "datacontenttype":
		return text(e.DataContentType)
	case "dataschema":
		return text(e.DataSchema)
	case originAttribute:
		if !v.withOrigin {
			return nil, false
		}
		return text(e.Origin)
	}
	x, ok := e.Extensions[name]
	if i, isInt := x.(int32); isInt {
		return types.Int(i), true
	}
	return x, ok
}

func text(s string) (any, bool) { return types.String(s), s != "" }
