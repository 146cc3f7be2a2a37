// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"fmt"
	"strings"
)

// EventSize is the length of every event of the benchmarks, as it is posted and as it is delivered.
const EventSize = 512

// digits is how many digits the number of an event has.
const digits = 9

// Template is an event of a type, with a number that can be set.
type Template struct {
	body []byte
	at   int
}

// NewTemplate makes the template of a type. The JSON is what Posthorn makes of the event again, to the byte,
// so that a bare client sends exactly what Posthorn sends.
func NewTemplate(eventType string) (*Template, error) {
	const form = `{"specversion":"1.0","id":"e%s","source":"/bench","type":%q,` +
		`"time":"2026-01-02T03:04:05.678Z","datacontenttype":"application/json","data":{"total":120,"text":"%s"}}`
	number := strings.Repeat("0", digits)
	pad := EventSize - len(fmt.Sprintf(form, number, eventType, ""))
	if pad < 0 {
		return nil, fmt.Errorf("the type %s is too long", eventType)
	}
	body := fmt.Appendf(nil, form, number, eventType, strings.Repeat("x", pad))
	return &Template{body, bytes.Index(body, []byte(number))}, nil
}

// Copy is a body that Number can be called on.
func (t *Template) Copy() []byte { return bytes.Clone(t.body) }

// Number sets the number in a copy.
func (t *Template) Number(body []byte, n int) {
	for i := t.at + digits - 1; i >= t.at; i-- {
		body[i] = byte('0' + n%10)
		n /= 10
	}
}

// idMark stands before the number in a body.
var idMark = []byte(`"id":"e`)

// numberOf reads the number from a body; -1 where there is none.
func numberOf(body []byte) int {
	at := bytes.Index(body, idMark)
	if at < 0 || len(body) < at+len(idMark)+digits {
		return -1
	}
	n := 0
	for _, c := range body[at+len(idMark) : at+len(idMark)+digits] {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
