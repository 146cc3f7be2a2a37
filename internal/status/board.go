// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"sync"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// counterInterval is the least time between two writes of one object that only move counters.
const counterInterval = 10 * time.Second

// maxNoticesPerNamespace bounds the Kubernetes Events that wait. Past it the newest are left out: the
// conditions tell the same.
const maxNoticesPerNamespace = 100

// key names an object.
type key struct {
	kind string
	name delivery.Name
}

// facts are EndpointFacts, SubscriptionFacts, SourceFacts or EventTypeFacts.
type facts interface {
	// about returns the object's UID.
	about() string
	// wanted returns what the status should say, given what it says.
	wanted(stored *state, now time.Time) *state
}

// entry is one object that the dispatcher has facts about.
type entry struct {
	key   key
	facts facts
	// stored is what the API server holds, as far as is known, for the object with the UID storedUID.
	stored    *state
	storedUID string
	// writing says that a write is under way: what changes meanwhile is looked at when it ends.
	writing bool
	// asleep says that the API server has an object with another UID: only new facts help.
	asleep bool
	// level is how urgent the ticket is that waits; none when none does. turn tells it from older
	// tickets of this entry, which count no more.
	level urgency
	turn  uint64
	// lastWrite is when it was written last, notBefore when it may be tried again after failures.
	lastWrite, notBefore time.Time
	failures             int
	// lastDeadLetterNotice is when a Kubernetes Event last told of dead letters.
	lastDeadLetterNotice time.Time
	// watchStalled says that a Kubernetes Event told that the watch does not go on, and none yet that it does.
	watchStalled bool
}

// ticket stands in a queue for an entry.
type ticket struct {
	entry *entry
	level urgency
	turn  uint64
	due   time.Time
}

// valid reports whether the ticket is the entry's last.
func (t ticket) valid() bool { return t.entry.turn == t.turn && t.entry.level == t.level }

// board holds all entries and the queues that they wait in. The wake channels tell the pumps that
// there may be something for them.
type board struct {
	mu      sync.Mutex
	entries map[key]*entry
	// byUrgency are the queues of what may be written now; byUrgency[none] stays empty.
	byUrgency [routed + 1]fair[ticket]
	notices   fair[notice]
	later     later
	turns     uint64

	wakeRouted, wakeOthers, wakeLater chan struct{}
}

func newBoard() *board {
	return &board{
		entries:    map[key]*entry{},
		wakeRouted: make(chan struct{}, 1),
		wakeOthers: make(chan struct{}, 1),
		wakeLater:  make(chan struct{}, 1),
	}
}

// wake makes the reader of a channel look.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// update takes in new facts. read returns what is stored of an object that is new here.
func (b *board) update(k key, f facts, now time.Time, read func() (*state, string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[k]
	if e == nil {
		e = &entry{key: k}
		b.entries[k] = e
	}
	e.facts, e.asleep = f, false
	if e.stored == nil || e.storedUID != f.about() {
		e.stored, e.storedUID = read()
		if e.storedUID != f.about() {
			e.stored, e.storedUID = &state{}, f.about()
		}
	}
	b.reconsider(e, now)
}

// forget drops an object that is gone.
func (b *board) forget(k key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[k]; e != nil {
		e.level = none
		delete(b.entries, k)
	}
}

// reconsider puts an entry into the queue of what it now needs, or into none. A ticket that waits at
// the same level keeps its place.
func (b *board) reconsider(e *entry, now time.Time) {
	if e.writing || e.asleep {
		return
	}
	wanted := e.facts.wanted(e.stored, now)
	level := transition(e.stored, wanted)
	if level == none && e.level == moved {
		return // whether there still is a difference is seen when its turn comes
	}
	if level == none {
		level = urgencyOf(e.stored, wanted)
	}
	if level == e.level {
		return
	}
	e.level = level
	if level == none {
		return
	}
	b.turns++
	e.turn = b.turns
	due := e.notBefore
	if level == moved && !e.lastWrite.IsZero() {
		due = latest(due, e.lastWrite.Add(counterInterval))
	}
	b.enqueue(ticket{entry: e, level: level, turn: e.turn, due: due}, now)
}

// enqueue puts a ticket where it belongs: into its queue when it is due, else aside.
func (b *board) enqueue(t ticket, now time.Time) {
	if t.due.After(now) {
		b.later.push(t)
		wake(b.wakeLater)
		return
	}
	b.byUrgency[t.level].push(t.entry.key.name.Namespace, t)
	if t.level == routed {
		wake(b.wakeRouted)
	} else {
		wake(b.wakeOthers)
	}
}

// promote moves what is due into its queue and returns when the next ticket is due.
func (b *board) promote(now time.Time) (next time.Time, waiting bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		t, ok := b.later.next()
		if !ok {
			return time.Time{}, false
		}
		if t.due.After(now) {
			return t.due, true
		}
		if t = b.later.pop(); t.valid() {
			b.enqueue(t, now)
		}
	}
}

// job is one write: wanted is what the status of the object is to say.
type job struct {
	entry  *entry
	uid    string
	stored *state
	wanted *state
}

// take returns the next write of these levels, the first level first. An entry whose facts have come
// to agree with what is stored is passed over.
func (b *board) take(now time.Time, levels ...urgency) (job, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, level := range levels {
		for {
			t, ok := b.byUrgency[level].pop()
			if !ok {
				break
			}
			if !t.valid() {
				continue
			}
			e := t.entry
			e.level = none
			wanted := e.facts.wanted(e.stored, now)
			if urgencyOf(e.stored, wanted) == none {
				continue
			}
			e.writing = true
			return job{entry: e, uid: e.facts.about(), stored: e.stored, wanted: wanted}, true
		}
	}
	return job{}, false
}

// takeNotice returns the next Kubernetes Event.
func (b *board) takeNotice() (notice, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.notices.pop()
}

// pending reports whether anything waits in the queues of these levels, or as a Kubernetes Event.
func (b *board) pending(notices bool, levels ...urgency) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, level := range levels {
		if b.byUrgency[level].len() > 0 {
			return true
		}
	}
	return notices && b.notices.len() > 0
}

// wrote records a write that succeeded, and queues the Kubernetes Events of what changed by it.
func (b *board) wrote(j job, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := j.entry
	e.writing, e.failures, e.notBefore, e.lastWrite = false, 0, time.Time{}, now
	if b.entries[e.key] != e {
		return
	}
	// The facts may have gone over to a new object of the same name meanwhile.
	if e.storedUID == j.uid {
		e.stored = j.wanted
	}
	for _, n := range noticesOf(e, j, now) {
		if b.notices.lenOf(e.key.name.Namespace) < maxNoticesPerNamespace {
			b.notices.push(e.key.name.Namespace, n)
			wake(b.wakeOthers)
		}
	}
	b.reconsider(e, now)
}

// failed puts an entry back after a write that failed. With a wait of 0 it goes to the end of its
// queue; otherwise it is tried again when the wait is over.
func (b *board) failed(j job, wait time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := j.entry
	e.writing = false
	if b.entries[e.key] != e {
		return
	}
	if wait > 0 {
		e.notBefore = now.Add(wait)
	}
	b.reconsider(e, now)
}

// sleep leaves an entry alone until there are new facts, unless there are some already.
func (b *board) sleep(j job, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := j.entry
	e.writing = false
	if b.entries[e.key] != e {
		return
	}
	e.asleep = e.facts.about() == j.uid
	b.reconsider(e, now)
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// forgetEntry drops an object that the API server does not know, unless there are facts about a new
// one of its name.
func (b *board) forgetEntry(j job, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := j.entry
	e.writing = false
	if b.entries[e.key] != e {
		return
	}
	if e.facts.about() == j.uid {
		delete(b.entries, e.key)
		return
	}
	b.reconsider(e, now)
}

// How long one object waits after a write that failed because of it: it doubles with each failure.
const (
	minObjectWait = time.Second
	maxObjectWait = 5 * time.Minute
	// The informers mostly learn within milliseconds of the change that a write ran into.
	minOutdatedWait = 100 * time.Millisecond
	maxOutdatedWait = 10 * time.Second
)

// backoff counts a failure of an entry and returns how long it waits.
func (b *board) backoff(j job, shortest, longest time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := min(shortest<<min(j.entry.failures, 16), longest)
	j.entry.failures++
	return wait
}
