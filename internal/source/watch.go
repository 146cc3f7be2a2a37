// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// watchKey says what is watched.
type watchKey struct {
	resource      change.Resource
	fieldSelector string
	// namespace is empty for all.
	namespace string
}

// id is the key as subjects of the event log have it.
func (k watchKey) id() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		k.resource.Group, k.resource.Version, k.resource.Kind, k.fieldSelector, k.namespace,
	}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// plan is what a watch is to do.
type plan struct {
	// resource is how the kind is served now.
	resource schema.GroupVersionResource
	takers   []*taker
	// redactions are those of the takers, each once, and keeps says by which of them the last state is kept.
	redactions []change.Redaction
	keeps      map[string]bool
	keepsAny   bool
}

// newPlan returns the plan for the takers.
func newPlan(resource schema.GroupVersionResource, takers []*taker) *plan {
	p := &plan{resource: resource, takers: takers, keeps: map[string]bool{}}
	seen := map[string]bool{}
	for _, t := range takers {
		key := t.source.Redact.Key()
		if !seen[key] {
			seen[key] = true
			p.redactions = append(p.redactions, t.source.Redact)
		}
		if t.keepsObject() {
			p.keeps[key], p.keepsAny = true, true
		}
	}
	return p
}

// How often a watch does what it does from time to time.
const (
	// checkpointInterval is how often the checkpoint follows what is done.
	checkpointInterval = time.Second
	// lateCheckpoint is how often it follows the events of others: a start reads those behind it.
	lateCheckpoint = 10 * time.Second
	// idleCheckpoint is how often it follows the API server's bookmarks while nothing happens at all.
	idleCheckpoint = 5 * time.Minute
	// batchSize is how many changes are written together.
	batchSize = 500
)

// watch follows one resource. All of it but what the mutex guards belongs to the goroutine that runs it.
type watch struct {
	key    watchKey
	id     string
	logger *slog.Logger
	log    Log
	client client
	accept func(ctx context.Context, namespace string, events []*event.Event) error
	lists  chan struct{} // a place for each list that may run at a time
	report func()        // has the status of the sources be told
	sent   *sent
	meter  *metrics

	// staleAfter is how long a watch may show nothing before it is replaced.
	staleAfter time.Duration

	plan    *plan
	entries map[string]*entry
	// leaving are the entries of which nothing is to be remembered once the checkpoint is past what they say: until then
	// a start that looks at those changes again has to know them.
	leaving map[string]struct{}
	// objects counts the entries that each taker has a part of.
	objects map[string]int64
	records map[string]*takerRecord
	names   names
	// version is the resource version up to which all is done; empty when only a list can tell.
	version string
	// alive is when the API server last showed that the watch lives, and upToDate when it last knew all changes.
	alive, upToDate time.Time
	// recovering says that what an earlier run told may be more than it came to remember: until the watch is at
	// toldUpTo, or has compared.
	recovering bool
	toldUpTo   uint64
	// remembered is the newest event of the log of which the run began with knowing: what came of it is remembered.
	remembered uint64
	// open says that events are stored of which it is not yet remembered that they are, worked that something is
	// remembered since the last checkpoint.
	open, worked bool
	// list numbers the lists, and introducing says that one is for some takers only.
	list        uint64
	introducing bool
	timers      timers
	// refused are the namespaces that may store no more for now, retry when they are tried again.
	refused map[string]bool
	retry   time.Time
	waits   time.Duration
	// complained is when the log last told of a failure, by taker.
	complained map[string]time.Time
	// written is the checkpoint that is stored.
	written   checkpoint
	writtenAt time.Time
	// lookedAt is when it was last looked at.
	lookedAt time.Time

	mu       sync.Mutex
	next     *plan
	changed  chan struct{}
	progress progress
}

// progress is what a watch tells about itself.
type progress struct {
	phase   phase
	message string
	// since is when the phase began.
	since time.Time
	// alive is when the API server last showed that the watch lives.
	alive  time.Time
	takers map[string]takerProgress
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
	// idle: no taker wants to know.
	idle
)

// setPlan gives the watch another plan.
func (w *watch) setPlan(p *plan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = p
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// planned reports whether the watch has that plan already.
func (w *watch) planned(p *plan) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil || w.next.resource != p.resource || len(w.next.takers) != len(p.takers) {
		return false
	}
	for i, t := range p.takers {
		if other := w.next.takers[i]; t.source != other.source || t.held != other.held || t.program != other.program {
			return false
		}
	}
	return true
}

// wantedBy returns what the newest plan reads, and the taker of that id; nil when there is none.
func (w *watch) wantedBy(id string) (schema.GroupVersionResource, *taker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next.resource, w.next.taker(id)
}

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

// run watches until ctx ends.
func (w *watch) run(ctx context.Context) {
	if !w.load(ctx) {
		return
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 200*time.Millisecond, 30*time.Second
	for ctx.Err() == nil {
		begun := time.Now()
		err := w.turn(ctx)
		if ctx.Err() != nil {
			break
		}
		if err == nil || time.Since(begun) > time.Minute {
			wait.Reset()
		}
		if err != nil {
			w.fail(ctx, err, wait.NextBackOff())
		}
	}
	// What was done since the last checkpoint need not be looked at again.
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := w.checkpoint(final, true); err != nil {
		w.logger.Warn("Could not store how far a watch has come; the next start looks again at what it did last", "error", err)
	}
}

// load reads what earlier runs remembered, until that works; false means that ctx ended.
func (w *watch) load(ctx context.Context) bool {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, w.read(ctx) },
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			w.logger.Warn("Could not read what is remembered of a resource", "error", err, "nextAttemptIn", next)
		}))
	return err == nil
}

// read reads what earlier runs remembered. What cannot be read is begun anew.
func (w *watch) read(ctx context.Context) error {
	w.entries, w.records, w.timers = map[string]*entry{}, map[string]*takerRecord{}, timers{}
	w.version, w.written, w.leaving = "", checkpoint{}, map[string]struct{}{}
	data, err := w.log.Checkpoint(ctx, w.id)
	unknown := errors.Is(err, eventlog.ErrNotFound)
	if err != nil && !unknown {
		return err
	}
	if w.sent == nil {
		if w.sent, err = readSent(ctx, w.log, map[string][]byte{w.id: data}); err != nil {
			return err
		}
	}
	w.recovering, w.toldUpTo = true, w.sent.newest()
	if unknown {
		return w.log.RemoveWatch(ctx, w.id) // entries without a checkpoint are of a first list that was broken off
	}
	c, err := readCheckpoint(data)
	if err != nil {
		w.logger.Warn("Begins a watch anew, since what is remembered of it cannot be read", "error", err)
		return w.log.RemoveWatch(ctx, w.id)
	}
	w.version, w.written, w.upToDate, w.remembered = c.ResourceVersion, c, c.Time, c.EventSequence
	for id, r := range c.Takers {
		w.records[id] = &r
	}
	var broken error
	err = w.log.Objects(ctx, w.id, func(uid string, data []byte) {
		e, _, err := readEntry(uid, data, w.names, false)
		if err != nil {
			broken = err
			return
		}
		e.parts = slices.DeleteFunc(e.parts, func(p part) bool { return w.records[p.taker] == nil })
		for _, p := range e.parts {
			if p.extra != nil && p.extra.pending != "" {
				w.records[p.taker].Held = true // since when, the checkpoint may not say
			}
		}
		w.entries[uid] = e
		if e.gone && !e.waits() {
			w.leaving[uid], w.worked = struct{}{}, true
		}
	})
	if err != nil {
		return err
	}
	if broken != nil {
		// An object that is not remembered would look like a new one.
		w.logger.Warn("Begins a watch anew, since what is remembered of an object cannot be read", "error", broken)
		w.entries, w.records, w.version, w.written = map[string]*entry{}, map[string]*takerRecord{}, "", checkpoint{}
		w.leaving = map[string]struct{}{}
		return w.log.RemoveWatch(ctx, w.id)
	}
	return nil
}

// turn does what is to be done next, and returns when that may have changed.
func (w *watch) turn(ctx context.Context) error {
	w.adopt()
	need, running := w.needs()
	switch {
	case !running:
		w.enter(idle, "")
		return w.rest(ctx)
	case w.version == "":
		return w.compare(ctx, need)
	case len(need) > 0:
		return w.introduce(ctx, need)
	default:
		return w.follow(ctx)
	}
}

// adopt takes the newest plan.
func (w *watch) adopt() {
	w.mu.Lock()
	next := w.next
	w.mu.Unlock()
	if next == w.plan {
		return
	}
	w.plan = next
	present := map[string]bool{}
	for _, t := range next.takers {
		present[t.id] = true
		if w.records[t.id] == nil {
			w.records[t.id] = &takerRecord{Begun: t.looked}
		}
	}
	// A source that is deleted stays among the takers for as long as it may come back.
	maps.DeleteFunc(w.records, func(id string, _ *takerRecord) bool { return !present[id] })
	w.timers, w.objects = timers{}, map[string]int64{}
	for _, e := range w.entries {
		e.parts = slices.DeleteFunc(e.parts, func(p part) bool { return !present[p.taker] })
		w.count(e, 1)
		for i := range e.parts {
			w.schedule(w.plan.taker(e.parts[i].taker), e.uid, &e.parts[i])
		}
	}
}

// taker returns the taker of that id; nil when there is none.
func (p *plan) taker(id string) *taker {
	for _, t := range p.takers {
		if t.id == id {
			return t
		}
	}
	return nil
}

// needs returns the takers that have to go through all objects, and whether any is not held.
func (w *watch) needs() (need map[string]bool, running bool) {
	need = map[string]bool{}
	for _, t := range w.plan.takers {
		r := w.records[t.id]
		if t.held {
			r.Held = true
			continue
		}
		running = true
		if (r.Held || r.Shape != t.shape) && !w.refused[t.source.Name.Namespace] {
			need[t.id] = true
		}
	}
	return need, running
}

// rest waits for another plan, and keeps the checkpoint from falling behind the event log.
func (w *watch) rest(ctx context.Context) error {
	tick := time.NewTicker(lateCheckpoint)
	defer tick.Stop()
	for {
		if err := w.checkpoint(ctx, false); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
			return nil
		case <-tick.C:
		}
	}
}

// commit writes a batch: the events, what is remembered, and nothing of it twice. It tries until that works, or
// ctx ends.
func (w *watch) commit(ctx context.Context, b *batch) error {
	if b.empty() {
		return nil
	}
	w.open = w.open || len(b.emissions) > 0
	if err := w.store(ctx, b); err != nil {
		return err
	}
	values := make(map[eventlog.ObjectKey][]byte, len(b.dirty))
	for uid := range b.dirty {
		record, err := w.entries[uid].record(b.kept[uid])
		if err != nil {
			return err
		}
		values[eventlog.ObjectKey{Watch: w.id, UID: uid}] = record
	}
	err := w.persist(ctx, "Could not remember what became of objects", func() error { return w.log.PutObjects(ctx, values) })
	if err == nil {
		w.open, w.worked = false, true
	}
	return err
}

// persist calls f until it works, or until ctx ends: what was read from the API server is not let go.
func (w *watch) persist(ctx context.Context, failure string, f func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, f() },
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			w.logger.Warn(failure, "error", err, "nextAttemptIn", next) //nolint:sloglint // one of two constants
		}))
	return err
}

// store hands the events to ingest, each namespace's in their order. A namespace that may store no more for now is
// not waited for, so that it holds up nobody: what it is to be told is remembered with the object.
func (w *watch) store(ctx context.Context, b *batch) error {
	byNamespace := map[string][]emission{}
	for _, m := range b.emissions {
		byNamespace[m.taker.source.Name.Namespace] = append(byNamespace[m.taker.source.Name.Namespace], m)
	}
	for _, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
		emissions := byNamespace[namespace]
		var fresh []emission
		for _, m := range emissions {
			if !w.sent.has(m.event) {
				fresh = append(fresh, m)
			}
		}
		if len(fresh) > 0 && w.refused[namespace] {
			w.takeBack(b, fresh)
			continue
		}
		for chunk := range slices.Chunk(fresh, batchSize) {
			if err := w.storeChunk(ctx, b, namespace, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *watch) storeChunk(ctx context.Context, b *batch, namespace string, chunk []emission) error {
	events := make([]*event.Event, len(chunk))
	for i, m := range chunk {
		events[i] = m.event
	}
	refused := false
	err := w.persist(ctx, "Could not store events of resources", func() error {
		err := w.accept(ctx, namespace, events)
		if refused = isRefusal(err); refused {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case refused:
		w.refuse(namespace)
		w.takeBack(b, chunk)
		return nil
	}
	if len(w.refused) == 0 {
		w.waits = 0
	}
	now := time.Now()
	for _, m := range chunk {
		r := w.records[m.taker.id]
		r.Emitted++
		r.LastEvent = now
		w.meter.emitted(m.taker)
	}
	return nil
}

// isRefusal reports whether an error of ingest is about the namespace alone: it holds its share.
func isRefusal(err error) bool {
	return err != nil && problem.From(err).Status == http.StatusTooManyRequests
}

// How long a namespace that holds its share is left alone before it is tried again.
const minRefused, maxRefused = 5 * time.Second, time.Minute

// refuse remembers that a namespace may store no more for now.
func (w *watch) refuse(namespace string) {
	w.waits = min(max(minRefused, 2*w.waits), maxRefused)
	w.refused[namespace], w.retry = true, time.Now().Add(w.waits)
	w.logger.Warn("Holds back events of resources, since the namespace holds its share of the event log",
		"namespace", namespace, "nextAttemptIn", w.waits)
}

// readmit has the refused namespaces tried again: their takers go through all objects for what waits.
func (w *watch) readmit() {
	for _, t := range w.plan.takers {
		if w.refused[t.source.Name.Namespace] {
			w.records[t.id].Held = true
		}
	}
	w.refused, w.retry = map[string]bool{}, time.Time{}
}

// takeBack undoes what the emissions changed, and remembers what happened.
func (w *watch) takeBack(b *batch, emissions []emission) {
	taken := map[[2]string]*extra{}
	for _, m := range emissions {
		if m.uid == "" {
			continue // a gap, which the condition tells of, too
		}
		k := [2]string{m.uid, m.taker.id}
		x := taken[k]
		if x == nil {
			x = &extra{}
			if m.before != nil {
				*x = *m.before
			}
			taken[k] = x
		}
		x.pending = merge(x.pending, m.op)
		w.putBack(b, m, x)
	}
}

// putBack has the entry say what x does about the taker of an emission.
func (w *watch) putBack(b *batch, m emission, x *extra) {
	e := w.entries[m.uid]
	if e == nil { // it is gone, which is what is to be told
		e = &entry{uid: m.uid, namespace: m.object.Namespace, name: m.object.Name, version: number(m.object.ResourceVersion), gone: true}
		w.entries[m.uid] = e
	}
	w.count(e, -1)
	defer func() { w.count(w.entries[m.uid], 1) }()
	b.dirty[m.uid] = struct{}{}
	if x.pending != "" {
		e.selected(m.taker.id).set(x)
		delete(w.leaving, m.uid)
		return
	}
	if e.drop(m.taker.id); e.gone && !e.waits() {
		w.forget(b, e)
	}
}

// checkpoint stores how far the watch has come, when that is worth it.
func (w *watch) checkpoint(ctx context.Context, now bool) error {
	worked, due := w.checkpointDue()
	if !now && !due {
		return nil
	}
	last, err := w.log.LastEvent(ctx)
	if err != nil {
		return err
	}
	w.lookedAt = time.Now()
	if w.open {
		last = w.written.EventSequence // a start has to find what was stored since
	}
	if !now && !worked && last == w.written.EventSequence &&
		(w.version == w.written.ResourceVersion || time.Since(w.writtenAt) < idleCheckpoint) {
		return nil
	}
	c := checkpoint{
		Version: checkpointVersion, Kind: kindLabel(w.key.resource), Namespace: w.key.namespace,
		ResourceVersion: w.version, Time: w.upToDate, EventSequence: last, Takers: w.takerRecords(),
	}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode checkpoint: %w", err)
	}
	if err := w.log.PutCheckpoint(ctx, w.id, text); err != nil {
		return err
	}
	w.written, w.writtenAt, w.worked = c, time.Now(), false
	w.tell()
	return w.leave(ctx)
}

// leave forgets the entries that no start has to know any more.
func (w *watch) leave(ctx context.Context) error {
	if len(w.leaving) == 0 {
		return nil
	}
	keys := make([]eventlog.ObjectKey, 0, len(w.leaving))
	past := number(w.written.ResourceVersion)
	for uid := range w.leaving {
		if w.entries[uid].version <= past { // or it was loaded, and the watch has yet to come there again
			keys = append(keys, eventlog.ObjectKey{Watch: w.id, UID: uid})
		}
	}
	if err := w.log.RemoveObjects(ctx, keys); err != nil {
		return err
	}
	for _, k := range keys {
		delete(w.entries, k.UID)
		delete(w.leaving, k.UID)
	}
	return nil
}

// checkpointDue reports whether something was done since the last checkpoint, and whether one is worth a look. Every
// batch asks: the records are compared only when that may lead to something.
func (w *watch) checkpointDue() (worked, due bool) {
	age := time.Since(w.lookedAt)
	if age < checkpointInterval {
		return true, false
	}
	worked = w.worked || !maps.Equal(w.takerRecords(), w.written.Takers)
	return worked, worked || age >= lateCheckpoint
}

// live notes that the API server has shown that the watch lives.
func (w *watch) live() {
	w.alive = time.Now()
	w.mu.Lock()
	w.progress.alive = w.alive
	w.mu.Unlock()
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

func (w *watch) takerRecords() map[string]takerRecord {
	records := make(map[string]takerRecord, len(w.records))
	for id, r := range w.records {
		records[id] = *r
	}
	return records
}

// tell brings what the watch tells about itself up to date.
func (w *watch) tell() {
	takers := make(map[string]takerProgress, len(w.records))
	for id, r := range w.records {
		takers[id] = takerProgress{objects: w.objects[id], emitted: r.Emitted, lastEvent: r.LastEvent, begun: r.Begun}
	}
	w.mu.Lock()
	w.progress.takers, w.progress.objects = takers, len(w.entries)-len(w.leaving)
	w.progress.alive = w.alive
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
