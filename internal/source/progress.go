// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"time"
)

// progress is what a watch tells about itself.
type progress struct {
	phase   phase
	message string
	// since is when the phase began.
	since time.Time
	// alive is when the API server last showed that the watch lives.
	alive time.Time
	// held says that the event log does not store what was seen, so that nothing more is taken in.
	held   bool
	takers map[string]takerProgress
	// version is the one up to which every change was told.
	version uint64
	// objects is how many are remembered.
	objects int
	gap     *gap
}

// takerProgress is what a watch tells about one of its takers.
type takerProgress struct {
	objects   int64
	emitted   int64
	lastEvent time.Time
	begun     bool
	// listed is the version of the list by which it has gone through all objects; 0 before.
	listed uint64
}

// phase is what a watch is doing.
type phase int

const (
	// starting: nothing is known yet.
	starting phase = iota
	// relisting: a list is compared with what is remembered.
	relisting
	// following: changes come as they happen.
	following
	// stalled: the API server does not answer, or shows no life.
	stalled
	// forbidden: the dispatcher may not watch the resource.
	forbidden
	// notServed: the API server does not know the resource.
	notServed
	// refused: the API server does not take the field selector.
	refused
	// idle: no taker wants to know.
	idle
)

// state returns what the watch tells about itself.
func (w *watch) state() progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress
}

// enter begins a phase.
func (w *watch) enter(p phase, message string) {
	w.mu.Lock()
	changed := w.progress.phase != p || w.progress.message != message
	if w.progress.phase != p {
		w.progress.since = time.Now()
	}
	w.progress.phase, w.progress.message = p, message
	w.mu.Unlock()
	if changed {
		w.report()
	}
}

// live notes that the API server has shown that the watch lives.
func (w *watch) live() {
	w.alive = time.Now()
	w.mu.Lock()
	w.progress.alive = w.alive
	w.mu.Unlock()
}

// holdUp notes whether the event log stores what was seen.
func (w *watch) holdUp(held bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress.held = held
}

// count adds an entry to the numbers of objects, or takes it away.
func (w *watch) count(e *entry, by int64) {
	if e == nil || e.gone {
		return
	}
	for _, p := range e.parts {
		w.objects[p.taker] += by
	}
}

// tell brings what the watch tells about itself up to date.
func (w *watch) tell() {
	takers := make(map[string]takerProgress, len(w.records))
	for id, r := range w.records {
		takers[id] = takerProgress{objects: w.objects[id], emitted: r.Emitted, lastEvent: r.LastEvent, begun: r.Begun, listed: r.From}
	}
	w.mu.Lock()
	w.progress.takers, w.progress.objects = takers, len(w.entries)-len(w.leaving)
	w.progress.alive, w.progress.version = w.alive, number(w.version)
	w.mu.Unlock()
	w.report()
}

// complainEvery is how often the log tells of a source's failures, which are counted all: there may be one for each
// object.
const complainEvery = time.Minute

// failed notes that an expression could not be evaluated, or an event not made.
func (w *watch) failed(t *taker, err error) {
	w.meter.failed(t)
	if time.Since(w.complained[t.id]) < complainEvery {
		return
	}
	if w.complained == nil {
		w.complained = map[string]time.Time{}
	}
	w.complained[t.id] = time.Now()
	w.logger.Warn("Could not look at an object", "eventSource", t.id, "reason", reasonOf(err))
}
