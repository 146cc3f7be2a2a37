// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"errors"
	"testing"
	"time"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// stock returns a source spec that tells when a ConfigMap says that little is left.
func stock(emit hookv1.Emit, hold hookv1.Duration) func(*hookv1.WebhookEventSourceSpec) {
	return func(s *hookv1.WebhookEventSourceSpec) {
		s.When = &hookv1.When{Expression: `object.data.left == "0"`, Emit: emit, For: hold}
	}
}

func TestRunner_TellsOfTransitionsOnly(t *testing.T) {
	w := newWorld(t)
	shoes := w.configMap("shoes", map[string]string{"left": "0"})
	w.create(shoes)
	w.start()
	w.source("turns", stock(hookv1.EmitOnTransition, ""))
	w.source("both", stock(hookv1.EmitBoth, ""))
	w.source("every", stock(hookv1.EmitEveryMatch, ""))
	for name := range w.sources {
		w.awaitWatching(name)
	}
	set := func(left, note string) {
		shoes.Data = map[string]string{"left": left, "note": note}
		w.update(shoes)
	}
	set("0", "it was so before the sources")
	set("1", "which is no news to those that were not told")
	set("0", "now it turns")
	set("0", "and stays")
	set("2", "and is over")
	w.awaitTold(
		"every shoes configmap.updated",
		"both shoes configmap.updated", "every shoes configmap.updated", "turns shoes configmap.updated",
		"every shoes configmap.updated",
		"both shoes configmap.updated.recovered",
	)
}

// inTime runs a test of objects of which something ends before it has held for long enough: on a machine that is too slow
// for that, again with more time.
func inTime(t *testing.T, hold time.Duration, test func(t *testing.T, hold time.Duration) (inTime bool)) {
	t.Helper()
	for !test(t, hold) {
		if hold *= 2; hold > patience {
			t.Fatal("the machine is too slow for any time")
		}
	}
}

func TestRunner_WaitsForAsLongAsItMustHoldAcrossRestarts(t *testing.T) {
	inTime(t, 2*time.Second, waitsAcrossRestarts)
}

func waitsAcrossRestarts(t *testing.T, hold time.Duration) (inTime bool) {
	w := newWorld(t)
	w.start()
	w.source("held", stock(hookv1.EmitBoth, hookv1.Duration(hold.String())))
	w.source("all", nil)
	w.awaitWatching("held")
	w.awaitWatching("all")
	short, long := w.configMap("short", map[string]string{"left": "0"}), w.configMap("long", map[string]string{"left": "0"})
	begun := time.Now()
	w.create(short, long)
	short.Data["left"] = "1"
	w.update(short)
	w.eventually("the end is seen", w.toldOf("all", "short configmap.created", "long configmap.created", "short configmap.updated"))
	w.stop()
	time.Sleep(time.Until(begun.Add(hold * 2 / 3))) // what passes while no Runner runs counts as well
	again := time.Now()
	if again.Sub(begun) >= hold {
		return false
	}
	w.start()
	w.eventually("it has held", w.toldOf("held", "long configmap.updated"))
	if took := time.Since(begun); took < hold {
		t.Errorf("it was told after %s, before it had held for %s", took, hold)
	}
	if time.Since(again) >= hold {
		return false // the machine is slow, or the wait began anew
	}
	w.stop()
	w.start()
	w.awaitWatching("held")
	w.delete(long)
	w.create(w.configMap("last", nil))
	w.eventually("the deletion is seen", w.toldOf("all", "short configmap.created", "long configmap.created", "short configmap.updated",
		"long configmap.deleted", "last configmap.created"))
	if err := w.toldOf("held", "long configmap.updated")(); err != nil {
		t.Error(err)
	}
	return true
}

func TestRunner_ForgetsAnEdgeWithItsObject(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("both", stock(hookv1.EmitBoth, ""))
	w.awaitWatching("both")
	shoes := w.configMap("shoes", map[string]string{"left": "0"})
	w.create(shoes)
	w.delete(shoes)
	again := w.configMap("shoes", map[string]string{"left": "0"})
	w.create(again)
	w.awaitTold("both shoes configmap.created", "both shoes configmap.created")
}

func TestRunner_TellsOfNoRecoveryFromWhatItDidNotTell(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("updates", func(s *hookv1.WebhookEventSourceSpec) {
		stock(hookv1.EmitBoth, "")(s)
		s.Operations = []hookv1.Operation{hookv1.OperationUpdated}
	})
	w.awaitWatching("updates")
	shoes := w.configMap("shoes", map[string]string{"left": "0"})
	w.create(shoes)
	for _, left := range []string{"1", "0", "1"} {
		shoes.Data = map[string]string{"left": left}
		w.update(shoes)
	}
	w.awaitTold("updates shoes configmap.updated", "updates shoes configmap.updated.recovered")
}

func TestRunner_ARestartChangesNothingOfWhatItReports(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("all", nil)
	w.awaitWatching("all")
	w.stop()
	w.board = newBoard()
	w.start()
	w.eventually("it is told", func() error {
		f := w.facts("all")
		if f.UID == "" {
			return errors.New("nothing is")
		}
		if !f.Watching.Holds {
			t.Fatalf("first it reports %+v", f.Watching)
		}
		return nil
	})
}
