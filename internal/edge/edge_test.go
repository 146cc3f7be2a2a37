// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/wire"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func at(minute int) time.Time { return epoch.Add(time.Duration(minute) * time.Minute) }

func policy(emit Emit, minutes int) Policy {
	return Policy{Expression: "object.spec.paused", Emit: emit, For: time.Duration(minutes) * time.Minute}
}

func seen(holds bool, minute int) Observation {
	return Observation{Holds: holds, Revision: strconv.Itoa(1000 + minute), Time: at(minute)}
}

// announced is one announcement as tests compare it.
type announced struct {
	Kind    Kind
	Episode string
	Minute  int
}

// run takes observations minute by minute and ticks when that is due; each state goes through store.
func run(t *testing.T, p Policy, minutes []bool, store func(State) State) []announced {
	t.Helper()
	var all []announced
	var s State
	var due time.Time
	take := func(minute int, out Outcome) {
		if out.Kind != None {
			all = append(all, announced{out.Kind, out.Episode, minute})
		}
		s, due = store(out.State), out.Due
		if got := Due(s, p); !got.Equal(due) {
			t.Fatalf("minute %d: Due of the stored state is %v, the outcome's %v", minute, got, due)
		}
	}
	last := false
	for minute, holds := range minutes {
		if !due.IsZero() && !at(minute).Before(due) {
			take(minute, Tick(s, p, at(minute)))
		}
		if holds != last || minute%3 == 0 { // some changes of an object change nothing about it
			take(minute, Step(s, p, seen(holds, minute)))
		}
		last = holds
	}
	return all
}

// expected says in another way what run must announce: an episode is a run of true.
func expected(p Policy, minutes []bool) []announced {
	var all []announced
	wait := int(p.For / time.Minute)
	for from := 0; from < len(minutes); from++ {
		if !minutes[from] {
			continue
		}
		to := from
		for to < len(minutes) && minutes[to] {
			to++
		}
		episode := strconv.Itoa(1000 + from)
		// What is due in the minute of the end was due before it ended.
		if turned := from + wait; turned < len(minutes) && turned <= to {
			all = append(all, announced{Turned, episode, turned})
			if to < len(minutes) && p.Emit == Both {
				all = append(all, announced{Recovered, episode, to})
			}
		}
		from = to
	}
	return all
}

// TestStep_AnnouncesEachEpisodeOnce holds random courses, without and with restarts between any two moments,
// against what an episode is.
func TestStep_AnnouncesEachEpisodeOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 5))
		p := policy([]Emit{OnTransition, Both}[r.IntN(2)], r.IntN(5))
		minutes := make([]bool, 40)
		for i := range minutes {
			minutes[i] = i > 0 && minutes[i-1] != (r.IntN(3) == 0)
		}
		want := expected(p, minutes)
		restart := func(s State) State {
			back, err := Unmarshal(s.Marshal())
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			return back
		}
		for name, store := range map[string]func(State) State{
			"no restart": func(s State) State { return s },
			"restarts":   restart,
		} {
			if diff := cmp.Diff(want, run(t, p, minutes, store)); diff != "" {
				t.Fatalf("seed %d, %s, %+v, %v (-want +got):\n%s", seed, name, p, minutes, diff)
			}
		}
	}
}

// TestStep_RepeatsUnderTheSameName is a crash between announcing and storing: the same comes again, later, and
// has the same name.
func TestStep_RepeatsUnderTheSameName(t *testing.T) {
	t.Parallel()
	for _, wait := range []int{0, 5} {
		p := policy(Both, wait)
		begun := Step(State{}, p, seen(true, 0))
		first, again := begun, Step(State{}, p, Observation{Holds: true, Revision: "1000", Time: at(1)})
		if wait > 0 {
			first, again = Tick(begun.State, p, at(5)), Tick(begun.State, p, at(60))
		}
		if first.Kind != Turned || again.Kind != Turned || first.Episode != again.Episode || first.Episode == "" {
			t.Errorf("for %d minutes: first %+v, again %+v", wait, first, again)
		}
		over, overAgain := Step(first.State, p, seen(false, 70)), Step(first.State, p, seen(false, 71))
		if over.Kind != Recovered || over.Episode != first.Episode || overAgain.Episode != over.Episode {
			t.Errorf("for %d minutes: recovered %+v, again %+v", wait, over, overAgain)
		}
		if next := Step(over.State, policy(Both, 0), seen(true, 80)); next.Episode == first.Episode {
			t.Errorf("two episodes are named %s", next.Episode)
		}
	}
}

// TestStep walks through what is decided beyond that, a case each.
func TestStep(t *testing.T) {
	t.Parallel()
	edited := policy(Both, 5)
	edited.Expression = "object.spec.replicas > 3"
	pending := Step(State{}, policy(Both, 5), seen(true, 0)).State
	turned := Tick(pending, policy(Both, 5), at(5)).State
	quiet := Baseline(policy(Both, 5), seen(true, 0))
	tests := map[string]struct {
		got  Outcome
		kind Kind
		zero bool
		due  time.Time
	}{
		"every match":                       {Step(State{}, policy(EveryMatch, 5), seen(true, 0)), Matched, true, time.Time{}},
		"every match again":                 {Step(State{}, policy(EveryMatch, 5), seen(true, 1)), Matched, true, time.Time{}},
		"no match":                          {Step(State{}, policy(EveryMatch, 0), seen(false, 0)), None, true, time.Time{}},
		"turns":                             {Step(State{}, policy(OnTransition, 0), seen(true, 0)), Turned, false, time.Time{}},
		"waits":                             {Step(State{}, policy(OnTransition, 5), seen(true, 0)), None, false, at(5)},
		"changes while it waits":            {Step(pending, policy(Both, 5), seen(true, 3)), None, false, at(5)},
		"ends while it waits":               {Step(pending, policy(Both, 5), seen(false, 3)), None, true, time.Time{}},
		"tick too early":                    {Tick(pending, policy(Both, 5), at(3)), None, false, at(5)},
		"tick after a long restart":         {Tick(pending, policy(Both, 5), at(500)), Turned, false, time.Time{}},
		"change after a long restart":       {Step(pending, policy(Both, 5), seen(true, 500)), Turned, false, time.Time{}},
		"tick twice":                        {Tick(turned, policy(Both, 5), at(6)), None, false, time.Time{}},
		"still holds":                       {Step(turned, policy(Both, 5), seen(true, 9)), None, false, time.Time{}},
		"recovers":                          {Step(turned, policy(Both, 5), seen(false, 9)), Recovered, true, time.Time{}},
		"ends without being asked for":      {Step(turned, policy(OnTransition, 5), seen(false, 9)), None, true, time.Time{}},
		"the clock was put back":            {Step(pending, policy(Both, 5), seen(true, -60)), None, false, at(-55)},
		"was there before":                  {Step(quiet, policy(Both, 5), seen(true, 9)), None, false, time.Time{}},
		"was there before, tick":            {Tick(quiet, policy(Both, 5), at(9)), None, false, time.Time{}},
		"was there before, ends":            {Step(quiet, policy(Both, 5), seen(false, 9)), None, true, time.Time{}},
		"deleted while it waits":            {End(pending, policy(Both, 5), seen(true, 3)), None, true, time.Time{}},
		"deleted after it turned":           {End(turned, policy(Both, 5), seen(true, 9)), None, true, time.Time{}},
		"deleted, which is to be an end":    {End(turned, policy(Both, 5), seen(false, 9)), Recovered, true, time.Time{}},
		"turns with the deletion":           {End(State{}, policy(OnTransition, 0), seen(true, 9)), Turned, true, time.Time{}},
		"shorter wait":                      {Tick(pending, policy(Both, 2), at(3)), Turned, false, time.Time{}},
		"longer wait":                       {Tick(pending, policy(Both, 9), at(5)), None, false, at(9)},
		"other expression, waits anew":      {Step(pending, edited, seen(true, 3)), None, false, at(8)},
		"other expression, tick":            {Tick(pending, edited, at(60)), None, false, time.Time{}},
		"other expression, was announced":   {Step(turned, edited, seen(true, 9)), None, false, time.Time{}},
		"other expression, ends":            {Step(turned, edited, seen(false, 9)), Recovered, true, time.Time{}},
		"other expression, ends unsent":     {Step(pending, edited, seen(false, 3)), None, true, time.Time{}},
		"other expression, was not to be":   {Step(quiet, edited, seen(true, 9)), None, false, time.Time{}},
		"every match after an announcement": {Step(turned, policy(EveryMatch, 0), seen(false, 9)), None, true, time.Time{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.got.Kind != test.kind || test.got.State.IsZero() != test.zero || !test.got.Due.Equal(test.due) {
				t.Errorf("outcome = %+v; want kind %d, no state %t, due %v", test.got, test.kind, test.zero, test.due)
			}
		})
	}
}

// TestBaseline_LaterEpisodesAreAnnounced goes on after what had been there before the source.
func TestBaseline_LaterEpisodesAreAnnounced(t *testing.T) {
	t.Parallel()
	p := policy(OnTransition, 0)
	s := Step(Baseline(p, seen(true, 0)), p, seen(false, 1)).State
	if out := Step(s, p, seen(true, 2)); out.Kind != Turned {
		t.Errorf("outcome = %+v, want Turned", out)
	}
	if s := Baseline(p, seen(false, 0)); !s.IsZero() {
		t.Errorf("state = %+v, want none", s)
	}
	if s := Baseline(policy(EveryMatch, 0), seen(true, 0)); !s.IsZero() {
		t.Errorf("state = %+v, want none", s)
	}
}

func TestEpisode_WithoutRevisionIsNamedByItsTime(t *testing.T) {
	t.Parallel()
	a, b := State{Since: at(0)}, State{Since: at(0).Add(time.Nanosecond)}
	if a.Episode() == b.Episode() || a.Episode() != (State{Since: at(0), Announced: true}).Episode() {
		t.Errorf("episodes are named %s and %s", a.Episode(), b.Episode())
	}
}

// TestMarshal_FormatStays holds on to a record as it is stored.
func TestMarshal_FormatStays(t *testing.T) {
	t.Parallel()
	s := State{Since: at(0), Revision: "17", Announced: true, Quiet: true, Expression: 3}
	if got, want := fmt.Sprintf("%x", s.Marshal()), "08011080808cc79882f5e3311a023137200128013003"; got != want {
		t.Errorf("record = %s, want %s", got, want)
	}
}

func TestUnmarshal_RefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		record []byte
		want   error
	}{
		"nothing":       {nil, wire.ErrVersion},
		"other version": {wire.AppendVersion(nil, 2), wire.ErrVersion},
		"no record":     {[]byte{0x08}, wire.ErrMalformed},
	} {
		if s, err := Unmarshal(test.record); !errors.Is(err, test.want) || !s.IsZero() {
			t.Errorf("%s: %+v, %v; want %v", name, s, err, test.want)
		}
	}
	later := wire.AppendString(State{Revision: "1"}.Marshal(), 99, "of a later build")
	if s, err := Unmarshal(later); err != nil || s.Revision != "1" {
		t.Errorf("with a later field: %+v, %v", s, err)
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(State{Since: at(0), Revision: "17", Announced: true, Expression: 3}.Marshal())
	f.Add([]byte{})
	f.Add([]byte("\b\x01\x10\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Unmarshal(b)
		if err != nil {
			return
		}
		if again, err := Unmarshal(s.Marshal()); err != nil || again != s {
			t.Fatalf("%+v was read again as %+v, %v", s, again, err)
		}
	})
}
