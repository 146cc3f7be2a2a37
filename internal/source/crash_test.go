// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// forgetful is a log that, once it is told to, remembers nothing more of objects: what a crash between the events and
// what is remembered leaves behind.
type forgetful struct {
	source.Log
	*crashes
}

func (f forgetful) PutObjects(ctx context.Context, values map[eventlog.ObjectKey][]byte) error {
	if f.forgets.Load() {
		return nil
	}
	return f.Log.PutObjects(ctx, values)
}

func (f forgetful) RemoveObjects(ctx context.Context, keys []eventlog.ObjectKey) error {
	if f.forgets.Load() {
		return nil
	}
	return f.Log.RemoveObjects(ctx, keys)
}

func (f forgetful) PutCheckpoint(ctx context.Context, watch string, data []byte) error {
	switch {
	case f.forgets.Load():
		return nil
	case f.stuck.Load():
		return errors.New("the disk is elsewhere")
	}
	return f.Log.PutCheckpoint(ctx, watch, data)
}

// crashes has the world's runs crash: what one does after fall is stored as events, and not remembered. An event that
// is offered to ingest twice fails the test, though ingest would know it again for some minutes.
type crashes struct {
	forgets atomic.Bool
	// stuck has the checkpoint stay where it is, since it cannot be stored.
	stuck   atomic.Bool
	mu      sync.Mutex
	offered map[[2]string]bool
}

func (w *world) startToCrash(c *crashes, edit ...func(*source.Options)) {
	w.Helper()
	c.forgets.Store(false)
	c.stuck.Store(false)
	w.start(append([]func(*source.Options){func(o *source.Options) {
		o.Log = forgetful{o.Log, c}
		accept := o.Accept
		o.Accept = func(ctx context.Context, namespace string, events []*event.Event) error {
			if err := accept(ctx, namespace, events); err != nil {
				return err
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, e := range events {
				k := [2]string{e.Source, e.ID}
				if c.offered[k] {
					w.Errorf("%s is offered twice", tellOf(e))
				}
				if c.offered == nil {
					c.offered = map[[2]string]bool{}
				}
				c.offered[k] = true
			}
			return nil
		}
	}}, edit...)...)
}

func TestRunner_TellsNothingTwiceOfWhatItDidNotComeToRemember(t *testing.T) {
	w, c := newWorld(t), &crashes{}
	w.startToCrash(c)
	w.source("all", nil)
	w.awaitWatching("all")
	prices, gone := w.configMap("prices", nil), w.configMap("gone", nil)
	w.create(prices, gone)
	w.awaitTold("all prices configmap.created", "all gone configmap.created")
	w.stop()
	w.startToCrash(c)
	w.awaitWatching("all")
	c.forgets.Store(true)
	prices.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	w.update(prices)
	prices.Data = map[string]string{"eur": "1"}
	w.update(prices)
	w.delete(gone)
	told := []string{"all prices configmap.created", "all gone configmap.created", "all prices configmap.updated", "all gone configmap.deleted"}
	w.awaitTold(told...)
	w.stop()
	w.startToCrash(c)
	w.awaitWatching("all")
	w.create(w.configMap("marker", nil))
	w.awaitTold(append(told, "all marker configmap.created")...)
}

// newRestarted returns a world after a restart, with a source of all changes, one of an edge, and a ConfigMap of which no
// more is told than its creation.
func newRestarted(t *testing.T, name string) (*world, *crashes, *corev1.ConfigMap) {
	t.Helper()
	w, c := newWorld(t), &crashes{}
	w.startToCrash(c)
	w.source("all", nil)
	w.source("both", stock(hookv1.EmitBoth, ""))
	w.awaitWatching("all")
	w.awaitWatching("both")
	m := w.configMap(name, map[string]string{"left": "1"})
	w.create(m)
	w.awaitTold("all " + name + " configmap.created")
	w.stop()
	w.startToCrash(c)
	w.awaitWatching("all")
	w.awaitWatching("both")
	return w, c, m
}

func TestRunner_ComparesWithWhatItToldLast(t *testing.T) {
	w, c, back := newRestarted(t, "back")
	c.forgets.Store(true)
	set := func(left string) {
		back.Data["left"] = left
		w.update(back)
	}
	set("0")
	gone, changed, same := w.configMap("gone", nil), w.configMap("changed", nil), w.configMap("same", nil)
	w.create(gone, changed, same)
	all := []string{
		"back configmap.created", "back configmap.updated",
		"gone configmap.created", "changed configmap.created", "same configmap.created",
	}
	w.eventually("they are told", w.toldOf("all", all...))
	w.eventually("it has turned", w.toldOf("both", "back configmap.updated"))
	w.stop()
	set("1") // as it was when it was remembered
	w.delete(gone)
	changed.Data = map[string]string{"a": "1"}
	w.update(changed)
	w.compact()
	w.startToCrash(c)
	w.eventually("what differs from what was told is told", w.toldOf("all",
		append(all, "back configmap.updated net", "gone configmap.deleted net", "changed configmap.updated net")...))
	w.eventually("it is over", w.toldOf("both", "back configmap.updated", "back configmap.updated.recovered net"))
}

func TestRunner_KnowsOfADeletionThatTheCheckpointIsNotPast(t *testing.T) {
	w, c, shoes := newRestarted(t, "shoes")
	c.stuck.Store(true)
	all, both := []string{"shoes configmap.created"}, []string{}
	for range 10 { // so that they come in several batches
		shoes.Data["left"] = "0"
		w.update(shoes)
		shoes.Data["left"] = "1"
		w.update(shoes)
		all = append(all, "shoes configmap.updated", "shoes configmap.updated")
		both = append(both, "shoes configmap.updated", "shoes configmap.updated.recovered")
	}
	w.eventually("it has turned", w.toldOf("both", both...))
	w.delete(shoes)
	all = append(all, "shoes configmap.deleted")
	w.eventually("it is gone", w.toldOf("all", all...))
	w.awaitSeen("all", 0) // which is remembered, too
	w.stop()
	w.board = newBoard()
	w.startToCrash(c)
	w.awaitWatching("all")
	w.awaitWatching("both")
	w.create(w.configMap("marker", map[string]string{"left": "0"}))
	w.eventually("nothing is told again", w.toldOf("all", append(all, "marker configmap.created")...))
	w.eventually("nothing turns again", w.toldOf("both", append(both, "marker configmap.created")...))
}

func TestRunner_KnowsOfAnEdgeThatItToldTheEndOf(t *testing.T) {
	w, c := newWorld(t), &crashes{}
	w.startToCrash(c)
	w.source("both", func(s *hookv1.WebhookEventSourceSpec) {
		stock(hookv1.EmitBoth, "")(s)
		s.Data = &hookv1.EventData{Form: hookv1.DataFormPatch} // so that the last state is kept, to judge a deletion by
	})
	w.awaitWatching("both")
	over, again := w.configMap("over", map[string]string{"left": "0"}), w.configMap("again", map[string]string{"left": "0"})
	w.create(over, again)
	told := []string{"both over configmap.created", "both again configmap.created"}
	w.awaitTold(told...)
	w.stop()
	w.startToCrash(c)
	w.awaitWatching("both")
	c.forgets.Store(true)
	over.Data["left"], again.Data["left"] = "1", "1"
	w.update(over)
	w.update(again)
	told = append(told, "both over configmap.updated.recovered", "both again configmap.updated.recovered")
	w.awaitTold(told...)
	w.stop()
	w.delete(over) // of which it remembers that it had turned, and a state of which the expression holds
	again.Data["left"] = "0"
	w.update(again)
	w.compact()
	w.startToCrash(c)
	told = append(told, "both again configmap.updated net")
	w.awaitTold(told...) // by then it has compared
	w.create(w.configMap("marker", map[string]string{"left": "0"}))
	w.awaitTold(append(told, "both marker configmap.created")...)
}

// failing is a log of which one reading of an object fails.
type failing struct {
	source.Log
	countdown *atomic.Int64
}

func (f failing) Object(ctx context.Context, k eventlog.ObjectKey) ([]byte, error) {
	if f.countdown.Add(-1) == 0 {
		return nil, errors.New("the disk is elsewhere")
	}
	return f.Log.Object(ctx, k)
}

func TestRunner_LosesNothingWhenAComparisonIsBrokenOff(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("patches", func(s *hookv1.WebhookEventSourceSpec) { s.Data = &hookv1.EventData{Form: hookv1.DataFormPatch} })
	w.awaitWatching("patches")
	var told []string
	for i := range 4 {
		name := fmt.Sprintf("c%d", i)
		w.create(w.configMap(name, nil))
		told = append(told, name+" configmap.created")
	}
	w.eventually("they are told", w.toldOf("patches", told...))
	w.stop()
	for i := range 4 {
		changed := w.configMap(fmt.Sprintf("c%d", i), map[string]string{"a": "1"})
		w.update(changed)
		told = append(told, changed.Name+" configmap.updated net")
	}
	w.compact()
	countdown := &atomic.Int64{}
	countdown.Store(3)
	w.start(func(o *source.Options) { o.Log = failing{o.Log, countdown} })
	w.eventually("all are told", w.toldOf("patches", told...))
}

func TestRunner_TellsAfterARestartWhatItHeldBack(t *testing.T) {
	w := newWorld(t)
	var full atomic.Bool
	full.Store(true)
	share := func(o *source.Options) {
		accept := o.Accept
		o.Accept = func(ctx context.Context, namespace string, events []*event.Event) error {
			if full.Load() {
				return errFull
			}
			return accept(ctx, namespace, events)
		}
	}
	w.start(share)
	w.source("all", nil)
	w.awaitWatching("all")
	w.create(w.configMap("shoes", nil))
	w.awaitSeen("all", 1)
	w.stop()
	full.Store(false)
	w.start(share)
	w.awaitTold("all shoes configmap.created net")
}

func TestRunner_DoesNotTellOfWhatEndedWhileItWasAway(t *testing.T) {
	inTime(t, 5*time.Second, tellsNothingOfWhatEnded)
}

func tellsNothingOfWhatEnded(t *testing.T, hold time.Duration) (inTime bool) {
	w := newWorld(t)
	w.start()
	w.source("held", stock(hookv1.EmitBoth, hookv1.Duration(hold.String())))
	w.awaitWatching("held")
	begun := time.Now()
	brief, long := w.configMap("brief", map[string]string{"left": "0"}), w.configMap("long", map[string]string{"left": "0"})
	w.create(brief, long)
	w.awaitSeen("held", 2)
	w.stop()
	if time.Since(begun) >= hold {
		return false
	}
	brief.Data["left"] = "1"
	w.update(brief)
	w.eventually("the time is over", func() error {
		if time.Since(begun) < hold+time.Second {
			return errors.New("it is not")
		}
		return nil
	})
	w.start()
	w.awaitTold("held long configmap.updated")
	return true
}
