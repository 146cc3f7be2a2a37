// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"sync"
	"unicode/utf8"

	"github.com/google/cel-go/interpreter"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// Input is one event as expressions see it. Its data is parsed when the first expression reads it,
// once for all filters and transforms. It is safe for concurrent use.
type Input struct {
	event *event.Event
	once  sync.Once
	data  any
	// filtered and sent are the event as filters and as transforms see it.
	filtered, sent eventValue
}

// NewInput makes the input of an event. The event must not change afterwards.
func NewInput(e *event.Event) *Input {
	in := &Input{event: e}
	in.filtered = eventValue{in: in, withOrigin: true}
	in.sent = eventValue{in: in}
	return in
}

// Event returns the event that the input was made of.
func (in *Input) Event() *event.Event { return in.event }

// Data returns the parsed data: nil, bool, int64, uint64, float64, string, []any or map[string]any
// where it is JSON; otherwise a string where it is UTF-8, and a []byte where it is not. The result is
// shared and must not be changed.
func (in *Input) Data() any {
	in.once.Do(func() { in.data = parseData(in.event) })
	return in.data
}

func parseData(e *event.Event) any {
	switch {
	case e.Data == nil:
		return nil
	case e.IsJSON():
		if v, ok := parseJSON(e.Data); ok {
			return v
		}
	}
	if utf8.Valid(e.Data) {
		return string(e.Data)
	}
	return e.Data
}

// activation is the variables of an evaluation: event alone.
type activation eventValue

var _ interpreter.Activation = (*activation)(nil)

// ResolveName returns the value of a variable.
func (a *activation) ResolveName(name string) (any, bool) {
	if name == eventVariable {
		return (*eventValue)(a), true
	}
	return nil, false
}

// Parent returns the enclosing variables; there are none.
func (a *activation) Parent() interpreter.Activation { return nil }
