// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"bytes"
	"encoding/json"
)

// parseJSON returns what one JSON text stands for, with numbers as number reads them, and whether it
// is one. Of two equal members the last counts.
func parseJSON(b []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return nil, false
	}
	return numbers(v), true
}

// numbers replaces every json.Number in v, in place where it can.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	case map[string]any:
		for k, e := range v {
			switch e.(type) {
			case json.Number, []any, map[string]any:
				v[k] = numbers(e)
			}
		}
	}
	return v
}
