// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"encoding/json"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/filter"
)

// FuzzTransform renders what a tenant writes over what a producer sends. What comes out is JSON.
func FuzzTransform(f *testing.F) {
	f.Add(`{"text": "order " + event.data.id, "n": [1, 2.5, b"x", event.time]}`, []byte(`{"id":"\ud83c\udf0e"}`))
	f.Add(`event.data`, []byte(`{"a":[1e400,null,true,{"b":"\u0000"}]}`))
	f.Add(`event.?nosuch`, []byte(`1`))
	f.Fuzz(func(t *testing.T, transform string, data []byte) {
		p, err := NewPlan(FormatStandardWebhooks, transform)
		if err != nil || p.Shared() {
			return
		}
		e := order()
		e.Data = data
		body, err := p.Render(filter.NewInput(e))
		if err != nil {
			return
		}
		if !json.Valid(body.Data) {
			t.Fatalf("not JSON: %q", body.Data)
		}
	})
}
