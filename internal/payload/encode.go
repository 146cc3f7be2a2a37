// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// appendJSON appends the JSON of a CEL value. Equal values give equal bytes: members are in the
// order of their names. Timestamps and durations take the form that Protocol Buffers define in JSON,
// bytes are base64, and integers keep all their digits.
func appendJSON(dst []byte, v any) ([]byte, error) {
	if len(dst) > MaxTransformBytes {
		return nil, ErrTooLarge
	}
	switch v := v.(type) {
	case nil, types.Null:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case types.Bool:
		return strconv.AppendBool(dst, bool(v)), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case types.Int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case types.Uint:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case float64:
		return appendFloat(dst, v)
	case types.Double:
		return appendFloat(dst, float64(v))
	case string:
		return appendText(dst, v)
	case types.String:
		return appendText(dst, string(v))
	case []byte:
		return appendBytes(dst, v)
	case types.Bytes:
		return appendBytes(dst, v)
	}
	return appendComposite(dst, v)
}

// appendComposite is appendJSON for what is made of other values, or has a text form.
func appendComposite(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case []any:
		return appendNativeList(dst, v)
	case map[string]any:
		return appendNativeMap(dst, v)
	case types.Timestamp:
		return appendText(dst, v.UTC().Format(time.RFC3339Nano))
	case types.Duration:
		return appendText(dst, strconv.FormatFloat(v.Seconds(), 'f', -1, 64)+"s")
	case *types.Optional:
		if !v.HasValue() {
			return append(dst, "null"...), nil
		}
		return appendJSON(dst, v.GetValue())
	case traits.Mapper:
		return appendMap(dst, v)
	case traits.Lister:
		return appendList(dst, v)
	case ref.Val:
		return nil, fmt.Errorf("%w: a value of type %s; name the attribute or the field that is meant", ErrNotJSON, v.Type().TypeName())
	}
	// What a list of both kinds wraps: values of CEL between those of the event.
	return appendJSON(dst, types.DefaultTypeAdapter.NativeToValue(v))
}

func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%w: a number that is not finite", ErrNotJSON)
	}
	return strconv.AppendFloat(dst, f, floatFormat(f), -1, 64), nil
}

// floatFormat chooses the exponent form where encoding/json and browsers do.
func floatFormat(f float64) byte {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return 'e'
	}
	return 'f'
}

func appendText(dst []byte, s string) ([]byte, error) {
	if len(dst)+len(s) > MaxTransformBytes {
		return nil, ErrTooLarge
	}
	return event.AppendJSONString(dst, s), nil
}

func appendBytes(dst, b []byte) ([]byte, error) {
	if len(dst)+base64.StdEncoding.EncodedLen(len(b)) > MaxTransformBytes {
		return nil, ErrTooLarge
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"'), nil
}

func appendNativeList(dst []byte, list []any) ([]byte, error) {
	dst = append(dst, '[')
	for i, e := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSON(dst, e); err != nil {
			return nil, err
		}
	}
	return closed(dst, ']')
}

func appendNativeMap(dst []byte, m map[string]any) ([]byte, error) {
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		var err error
		if dst, err = appendMember(dst, i, key, m[key]); err != nil {
			return nil, err
		}
	}
	return closed(dst, '}')
}

// appendList encodes a list of CEL, by way of what it wraps where that came out of event.data.
func appendList(dst []byte, list traits.Lister) ([]byte, error) {
	if native, ok := list.Value().([]any); ok {
		return appendNativeList(dst, native)
	}
	dst = append(dst, '[')
	first := true
	for it := list.Iterator(); it.HasNext() == types.True; first = false {
		if !first {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSON(dst, it.Next()); err != nil {
			return nil, err
		}
	}
	return closed(dst, ']')
}

func appendMap(dst []byte, m traits.Mapper) ([]byte, error) {
	if native, ok := m.Value().(map[string]any); ok {
		return appendNativeMap(dst, native)
	}
	members := make(map[string]ref.Val)
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, err := memberName(key)
		if err != nil {
			return nil, err
		}
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("%w: two members of a map have the name %q", ErrNotJSON, name)
		}
		members[name] = m.Get(key)
	}
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		var err error
		if dst, err = appendMember(dst, i, name, members[name]); err != nil {
			return nil, err
		}
	}
	return closed(dst, '}')
}

// memberName returns the name in JSON of a key: maps of CEL may have keys that are not strings.
func memberName(key ref.Val) (string, error) {
	switch k := key.(type) {
	case types.String:
		return string(k), nil
	case types.Int:
		return strconv.FormatInt(int64(k), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(k), 10), nil
	case types.Bool:
		return strconv.FormatBool(bool(k)), nil
	}
	return "", fmt.Errorf("%w: a map with keys of type %s", ErrNotJSON, key.Type().TypeName())
}

func appendMember(dst []byte, i int, name string, value any) ([]byte, error) {
	if i > 0 {
		dst = append(dst, ',')
	}
	dst, err := appendText(dst, name)
	if err != nil {
		return nil, err
	}
	return appendJSON(append(dst, ':'), value)
}

func closed(dst []byte, bracket byte) ([]byte, error) {
	if len(dst) >= MaxTransformBytes {
		return nil, ErrTooLarge
	}
	return append(dst, bracket), nil
}
