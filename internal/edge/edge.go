// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"hash/fnv"
	"time"
)

// Emit says what is announced.
type Emit uint8

// What is announced.
const (
	// EveryMatch announces every observation of which the expression holds. It needs no State.
	EveryMatch Emit = iota
	// OnTransition announces that the expression has turned true.
	OnTransition
	// Both announces that it has turned true, and that it no longer is.
	Both
)

// Policy is what a source asks for.
type Policy struct {
	// Expression is the text of the expression. What is known of an object is known of one expression.
	Expression string
	// Emit says what is announced.
	Emit Emit
	// For is how long the expression must hold before that is announced. It has no effect with
	// EveryMatch.
	For time.Duration
}

// ExpressionKey identifies the expression. Callers store that of the policy by which they have looked at
// all objects; when it differs, they look at all again: with Step where there is a stored State, and with
// Baseline where there is none.
func (p Policy) ExpressionKey() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(p.Expression))
	return h.Sum64()
}

// Observation is one look at an object.
type Observation struct {
	// Holds reports whether the expression is true of it.
	Holds bool
	// Revision is the object's resourceVersion. That at which an episode begins names the episode.
	Revision string
	// Time is now.
	Time time.Time
}

// Kind is what is to be announced.
type Kind uint8

// What is to be announced.
const (
	// None is nothing.
	None Kind = iota
	// Matched is an observation of which the expression holds, with EveryMatch.
	Matched
	// Turned is an expression that has turned true, and has been for as long as it must.
	Turned
	// Recovered is an expression that is no longer true, after Turned was announced.
	Recovered
)

// Outcome is what follows from an observation, or from the time that has passed.
type Outcome struct {
	// State is what to store in place of the one before; nothing where it is the zero State.
	State State
	// Kind is what to announce.
	Kind Kind
	// Episode names the episode that Turned and Recovered are about. Whatever is announced again has
	// the same, so an event's id can be made of the source, the object's UID, Episode and Kind.
	Episode string
	// Due is when to call Tick if nothing is observed before; zero for never.
	Due time.Time
}

// Step takes an observation of an object that was created or has changed.
//
// An object without a stored State is one of which the expression did not hold. Where it was there before
// the source was, and what was there is not to be announced, call Baseline in place of Step.
//
// After another expression the State is carried over, and the edit alone does not announce that anything
// turned: what had been announced and still holds has been, and what waits for Policy.For waits anew. Only
// the end of what had been announced is announced, so that nothing stays open for good.
func Step(s State, p Policy, o Observation) Outcome {
	if p.Emit == EveryMatch {
		if o.Holds {
			return Outcome{Kind: Matched}
		}
		return Outcome{}
	}
	if !o.Holds {
		if s.Announced && p.Emit == Both {
			return Outcome{Kind: Recovered, Episode: s.Episode()}
		}
		return Outcome{}
	}
	key := p.ExpressionKey()
	if s.IsZero() || s.Expression != key && !s.Announced && !s.Quiet {
		s = State{Since: stored(o.Time), Revision: o.Revision}
	}
	s.Expression = key
	return settle(s, p, o.Time)
}

// Baseline takes the first observation of an object that was there before the source, or before its
// expression. Where the expression holds already, neither that nor its end is announced.
func Baseline(p Policy, o Observation) State {
	if p.Emit == EveryMatch || !o.Holds {
		return State{}
	}
	return State{Since: stored(o.Time), Revision: o.Revision, Quiet: true, Expression: p.ExpressionKey()}
}

// End takes the last observation of an object, which was deleted. It ends the episode: what waits for
// Policy.For is forgotten, and an end is announced only where the expression does not hold of the
// deletion, as with operation != "Deleted" in it.
func End(s State, p Policy, o Observation) Outcome {
	out := Step(s, p, o)
	out.State, out.Due = State{}, time.Time{}
	return out
}

// Tick is called when an Outcome's Due, or that of a stored State, has come. One that comes early, twice
// or late does no harm.
func Tick(s State, p Policy, now time.Time) Outcome {
	if p.Emit == EveryMatch || s.IsZero() || s.Expression != p.ExpressionKey() {
		return Outcome{State: s}
	}
	return settle(s, p, now)
}

// Due returns when to call Tick for a stored State; zero for never. It may be past.
func Due(s State, p Policy) time.Time {
	if p.Emit == EveryMatch || s.IsZero() || s.Announced || s.Quiet || s.Expression != p.ExpressionKey() {
		return time.Time{}
	}
	return s.Since.Add(p.For)
}

// settle announces an episode once it has lasted long enough.
func settle(s State, p Policy, now time.Time) Outcome {
	if s.Announced || s.Quiet {
		return Outcome{State: s}
	}
	// A clock that was put back must not make the wait longer than it is.
	if now = stored(now); now.Before(s.Since) {
		s.Since = now
	}
	if due := s.Since.Add(p.For); now.Before(due) {
		return Outcome{State: s, Due: due}
	}
	s.Announced = true
	return Outcome{State: s, Kind: Turned, Episode: s.Episode()}
}
