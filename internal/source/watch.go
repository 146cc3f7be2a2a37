// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/event"
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
	// leaving are the entries that no taker has a part of: once the checkpoint is past their version they are forgotten.
	// Until then a start that looks at those changes again has to know them.
	leaving map[string]struct{}
	// objects counts the entries that each taker has a part of.
	objects map[string]int64
	records map[string]*takerRecord
	names   names
	// version is the resource version up to which all is done; empty when only a list can tell.
	version string
	// alive is when the API server last showed that the watch lives, and upToDate when it last knew all changes.
	alive, upToDate time.Time
	// silent says that the last watch ended since it showed nothing: that another one begins is no sign of life then.
	silent bool
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
	// untold are gaps that such a namespace is to be told of.
	untold []emission
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
		if other := w.next.takers[i]; t.source != other.source || t.held != other.held || t.program != other.program || t.changed != other.changed {
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
		if len(e.parts) == 0 {
			w.leaving[e.uid], w.worked = struct{}{}, true
		}
		for i := range e.parts {
			w.schedule(w.plan.taker(e.parts[i].taker), e.uid, &e.parts[i])
		}
	}
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
