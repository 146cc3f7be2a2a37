// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"fmt"
	"strconv"
	"time"

	"github.com/posthorn-dev/posthorn/internal/wire"
)

// State is what is known of one object and one source. The zero State is that of an object of which
// the expression does not hold, and need not be stored. States can be compared with ==.
type State struct {
	// Since is when the expression began to hold.
	Since time.Time
	// Revision is the object's resourceVersion then.
	Revision string
	// Announced reports whether Turned was announced.
	Announced bool
	// Quiet reports whether the episode is not to be announced, since it had begun before the
	// source did.
	Quiet bool
	// Expression is the ExpressionKey of the expression that holds.
	Expression uint64
}

// IsZero reports whether there is nothing to store.
func (s State) IsZero() bool { return s == State{} }

// Episode names the episode, differently from every other of the same object and source. It stays the
// same from its beginning to its end.
func (s State) Episode() string {
	if s.Revision != "" {
		return s.Revision
	}
	return "t" + strconv.FormatInt(s.Since.UnixNano(), 36)
}

// stored returns a time as it is when it has been written and read.
func stored(t time.Time) time.Time { return time.Unix(0, t.UnixNano()).UTC() }

// stateVersion is the version of stored states.
const stateVersion = 1

// Numbers of the fields of a stored state.
const (
	fieldSince wire.Number = iota + 2
	fieldRevision
	fieldAnnounced
	fieldQuiet
	fieldExpression
)

// Marshal returns the state as a stored record.
func (s State) Marshal() []byte {
	b := wire.AppendVersion(nil, stateVersion)
	b = wire.AppendTime(b, fieldSince, s.Since)
	b = wire.AppendString(b, fieldRevision, s.Revision)
	b = wire.AppendBool(b, fieldAnnounced, s.Announced)
	b = wire.AppendBool(b, fieldQuiet, s.Quiet)
	return wire.AppendUint(b, fieldExpression, s.Expression)
}

// Unmarshal reads a stored record. An error is wire.ErrMalformed or wire.ErrVersion.
func Unmarshal(b []byte) (State, error) {
	var s State
	err := wire.Read(b, stateVersion, func(f wire.Field) {
		switch f.Number {
		case fieldSince:
			if f.Uint != 0 { // a time that is 0 is left out
				s.Since = f.Time()
			}
		case fieldRevision:
			s.Revision = f.String()
		case fieldAnnounced:
			s.Announced = f.Bool()
		case fieldQuiet:
			s.Quiet = f.Bool()
		case fieldExpression:
			s.Expression = f.Uint
		}
	})
	if err != nil {
		return State{}, fmt.Errorf("read the state of an edge: %w", err)
	}
	return s, nil
}
