// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Patch is a JSON Patch (RFC 6902) of the operations add, remove and replace.
type Patch []Step

// Step is one operation of a Patch. It is written with a value, null included, unless it removes.
type Step struct {
	// Op is add, remove or replace.
	Op string
	// Path is a JSON Pointer.
	Path string
	// Value is shared with the object that it comes from.
	Value any
}

// Diff returns the patch that makes the new object of the old one; nil when they are equal. The patch is the
// same each time: keys in their order, lists from the front, removals from a list from its end. Elements of
// lists are compared by position after what is equal at both ends was set aside.
//
// The patch of two states of one object replaces its resourceVersion: whoever applies it to the old state has
// the new one.
func Diff(before, after map[string]any) Patch {
	var d differ
	d.maps(before, after)
	return d.patch
}

// differ collects the steps of a patch. It works on decoded values, since both states are at hand decoded and
// libraries want them as text; and it keeps an order, which those that walk over maps do not.
type differ struct {
	patch Patch
	// path is the pointer to what is being compared.
	path []byte
}

func (d *differ) values(before, after any) {
	switch a := after.(type) {
	case map[string]any:
		if b, ok := before.(map[string]any); ok {
			d.maps(b, a)
			return
		}
	case []any:
		if b, ok := before.([]any); ok {
			d.lists(b, a)
			return
		}
	}
	if !equal(before, after) {
		d.step("replace", after)
	}
}

func (d *differ) maps(before, after map[string]any) {
	for _, key := range unionOfKeys(before, after) {
		old, was := before[key]
		value, is := after[key]
		d.at(key, func() {
			switch {
			case !is:
				d.step("remove", nil)
			case !was:
				d.step("add", value)
			default:
				d.values(old, value)
			}
		})
	}
}

func unionOfKeys(a, b map[string]any) []string {
	keys := slices.AppendSeq(make([]string, 0, len(a)), maps.Keys(a))
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (d *differ) lists(before, after []any) {
	head := 0
	for head < min(len(before), len(after)) && equal(before[head], after[head]) {
		head++
	}
	tail := 0
	for tail < min(len(before), len(after))-head && equal(before[len(before)-1-tail], after[len(after)-1-tail]) {
		tail++
	}
	oldEnd, end := len(before)-tail, len(after)-tail
	both := min(oldEnd, end)
	for i := head; i < both; i++ {
		d.at(strconv.Itoa(i), func() { d.values(before[i], after[i]) })
	}
	for i := both; i < end; i++ {
		d.at(strconv.Itoa(i), func() { d.step("add", after[i]) })
	}
	for i := oldEnd - 1; i >= both; i-- {
		d.at(strconv.Itoa(i), func() { d.step("remove", nil) })
	}
}

// at compares what is at a key.
func (d *differ) at(key string, compare func()) {
	n := len(d.path)
	d.path = append(append(d.path, '/'), escaper.Replace(key)...)
	compare()
	d.path = d.path[:n]
}

func (d *differ) step(op string, value any) {
	d.patch = append(d.patch, Step{Op: op, Path: string(d.path), Value: value})
}

// escaper writes a key as a segment of a JSON Pointer.
var escaper = strings.NewReplacer("~", "~0", "/", "~1")

// MarshalJSON writes the step as RFC 6902 has it.
func (s Step) MarshalJSON() ([]byte, error) {
	if s.Op == "remove" {
		return encode(struct {
			Op   string `json:"op"`
			Path string `json:"path"`
		}{s.Op, s.Path})
	}
	return encode(struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}{s.Op, s.Path, s.Value})
}
