// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"encoding/json"
	"math"
	"time"
)

// mapAt returns the map at a key, or nil.
func mapAt(m map[string]any, key string) map[string]any {
	v, _ := m[key].(map[string]any)
	return v
}

// stringAt returns the string at a key, or "".
func stringAt(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

// timeAt returns the timestamp at a key, or the zero time.
func timeAt(m map[string]any, key string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, stringAt(m, key))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// intAt returns the whole number at a key, or 0.
func intAt(m map[string]any, key string) int64 {
	n, _ := numberOf(m[key])
	if !n.whole {
		return 0
	}
	return n.i
}

// newest returns the latest of some times.
func newest(times ...time.Time) time.Time {
	var latest time.Time
	for _, t := range times {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

// number is a JSON number by its value: whole numbers of 64 bits as such, whatever type held them.
type number struct {
	whole bool
	i     int64
	f     float64
}

// numberOf returns the number that v is. Objects hold int64 and float64; the other types come from tests and
// from other decoders.
func numberOf(v any) (number, bool) {
	switch n := v.(type) {
	case int64:
		return number{whole: true, i: n}, true
	case float64:
		return floatNumber(n), true
	case int:
		return number{whole: true, i: int64(n)}, true
	case int32:
		return number{whole: true, i: int64(n)}, true
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return number{whole: true, i: i}, true
		}
		f, err := n.Float64()
		return floatNumber(f), err == nil
	}
	return number{}, false
}

func floatNumber(f float64) number {
	// 2^63 itself is not an int64, -2^63 is.
	if f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 {
		return number{whole: true, i: int64(f)}
	}
	return number{f: f}
}

// equal says whether two JSON values are equal: numbers by value, maps whatever their order.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && equalMaps(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && equalLists(a, b)
	case string:
		b, ok := b.(string)
		return ok && a == b
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case nil:
		return b == nil
	}
	x, ok := numberOf(a)
	y, same := numberOf(b)
	return ok && same && x == y
}

func equalMaps(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		other, ok := b[key]
		if !ok || !equal(value, other) {
			return false
		}
	}
	return true
}

func equalLists(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// depthOf returns how deep maps and lists nest in a value: 0 for a scalar.
func depthOf(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, child := range v {
			deepest = max(deepest, depthOf(child))
		}
	case []any:
		for _, child := range v {
			deepest = max(deepest, depthOf(child))
		}
	default:
		return 0
	}
	return deepest + 1
}
