// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// suspend suspends a source and waits until it is.
func (w *world) suspend(name string) {
	w.Helper()
	w.edit(name, func(s *hookv1.WebhookEventSourceSpec) { s.Suspend = new(bool); *s.Suspend = true })
	w.eventually(name+" is suspended", func() error {
		if got := w.facts(name).Watching.Reason; got != hookv1.ReasonSuspended {
			return fmt.Errorf("Watching is %s", got)
		}
		return nil
	})
}

// resume ends that.
func (w *world) resume(name string) {
	w.Helper()
	w.edit(name, func(s *hookv1.WebhookEventSourceSpec) { *s.Suspend = false })
}

// whole is a source of the whole objects of which little is left.
func whole(s *hookv1.WebhookEventSourceSpec) {
	stock(hookv1.EmitEveryMatch, "")(s)
	s.Data = &hookv1.EventData{Form: hookv1.DataFormObject}
}

// checkWhole checks that every event of a source has the object.
func (w *world) checkWhole(name string) {
	w.Helper()
	for _, e := range w.events() {
		if strings.HasPrefix(tellOf(e), name+" ") && !bytes.Contains(e.Data, []byte(`"object":{`)) {
			w.Errorf("%s lacks the object: %s", tellOf(e), e.Data)
		}
	}
}

// share has the namespace of a world hold its share while it is full.
type share struct {
	full    atomic.Bool
	refused chan struct{} // gets a value when events were refused
}

func newShare() *share { return &share{refused: make(chan struct{}, 1)} }

func (s *share) limit(o *source.Options) {
	accept := o.Accept
	o.Accept = func(ctx context.Context, namespace string, events []*event.Event) error {
		if !s.full.Load() {
			return accept(ctx, namespace, events)
		}
		select {
		case s.refused <- struct{}{}:
		default:
		}
		return errFull
	}
}

func TestRunner_JudgesADeletionByTheLastState(t *testing.T) {
	for _, other := range []bool{false, true} {
		t.Run(fmt.Sprintf("another source goes on %t", other), func(t *testing.T) {
			w := newWorld(t)
			w.start()
			w.source("few", whole)
			if other {
				w.source("goes", nil)
				w.awaitWatching("goes")
			}
			w.awaitWatching("few")
			few, many := w.configMap("few", map[string]string{"left": "0"}), w.configMap("many", map[string]string{"left": "9"})
			w.create(few, many)
			w.eventually("it is told", w.toldOf("few", "few configmap.created"))
			w.awaitSeen("few", 2)
			w.suspend("few")
			w.delete(few)
			w.delete(many)
			if other {
				w.eventually("the other source is told", w.toldOf("goes", "few configmap.created", "many configmap.created",
					"few configmap.deleted", "many configmap.deleted"))
			}
			w.resume("few")
			w.eventually("the deletion is told", w.toldOf("few", "few configmap.created", "few configmap.deleted net"))
			w.awaitSeen("few", 0)
			w.checkWhole("few")
		})
	}
}

func TestRunner_JudgesADeletionOfWhichItHadNoRight(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("few", whole)
	w.awaitWatching("few")
	few := w.configMap("few", map[string]string{"left": "0"})
	w.create(few)
	w.awaitTold("few few configmap.created")
	var binding rbacv1.RoleBinding
	if err := w.client.Get(t.Context(), key(w.namespace, "reader"), &binding); err != nil {
		t.Fatal(err)
	}
	w.delete(&binding)
	w.awaitPermissions("few", hookv1.ReasonPermissionMissing, "may not list and watch configmaps in namespace "+w.namespace)
	w.delete(few)
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "reader"}, RoleRef: binding.RoleRef, Subjects: binding.Subjects,
	})
	w.awaitTold("few few configmap.created", "few few configmap.deleted net")
	w.checkWhole("few")
}

func TestRunner_JudgesADeletionThatItHadNoRoomFor(t *testing.T) {
	w, s := newWorld(t), newShare()
	w.start(s.limit)
	w.source("few", whole)
	w.source("over", func(s *hookv1.WebhookEventSourceSpec) {
		s.When = &hookv1.When{Expression: `object.data.left == "0" && operation != "Deleted"`, Emit: hookv1.EmitBoth}
	})
	w.awaitWatching("few")
	w.awaitWatching("over")
	few := w.configMap("few", map[string]string{"left": "0"})
	w.create(few)
	w.eventually("it is told", w.toldOf("few", "few configmap.created"))
	w.eventually("it has turned", w.toldOf("over", "few configmap.created"))
	s.full.Store(true)
	w.delete(few)
	<-s.refused
	s.full.Store(false)
	w.eventually("the deletion is told", w.toldOf("few", "few configmap.created", "few configmap.deleted net"))
	w.eventually("it is over", w.toldOf("over", "few configmap.created", "few configmap.deleted.recovered net"))
	w.checkWhole("few")
}

// patches is a source of patches of what becomes more or less.
func patches(s *hookv1.WebhookEventSourceSpec) {
	s.Data = &hookv1.EventData{Form: hookv1.DataFormPatch}
	s.When = &hookv1.When{Expression: `oldObject == null || object.data.left != oldObject.data.left`}
}

// checkPatch checks that the last event of a source tells what became of what was told before.
func (w *world) checkPatch(name string, want string) {
	w.Helper()
	var last *event.Event
	for _, e := range w.events() {
		if strings.HasPrefix(tellOf(e), name+" ") {
			last = e
		}
	}
	if !bytes.Contains(last.Data, []byte(want)) || last.Extensions["changed"] == nil {
		w.Errorf("%s tells %s, with %v, want %s", tellOf(last), last.Data, last.Extensions, want)
	}
}

func TestRunner_ComparesWithTheStateBeforeASuspension(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("rests", patches)
	w.source("goes", patches)
	w.awaitWatching("rests")
	w.awaitWatching("goes")
	shoes := w.configMap("shoes", map[string]string{"left": "9"})
	w.create(shoes)
	told := []string{"shoes configmap.created"}
	w.eventually("it is told", w.toldOf("rests", told...))
	for _, round := range []string{"1", "2"} {
		w.suspend("rests")
		goes := w.toldBy("goes")
		for _, left := range []string{"7" + round, "5" + round} {
			shoes.Data["left"] = left
			w.update(shoes)
			goes = append(goes, "shoes configmap.updated")
		}
		w.eventually("the other source is told", w.toldOf("goes", goes...))
		w.checkPatch("goes", `{"op":"replace","path":"/data/left","value":"5`+round+`"}`)
		if round == "2" {
			w.stop() // what it was outlives a restart
			w.start()
		}
		w.resume("rests")
		told = append(told, "shoes configmap.updated net")
		w.eventually("the net effect is told", w.toldOf("rests", told...))
		w.checkPatch("rests", `{"op":"replace","path":"/data/left","value":"5`+round+`"}`)
	}
}

func TestRunner_ComparesWithTheStateBeforeItHadNoRoom(t *testing.T) {
	w, s := newWorld(t), newShare()
	w.start(s.limit)
	w.source("all", patches)
	w.awaitWatching("all")
	shoes := w.configMap("shoes", map[string]string{"left": "9"})
	w.create(shoes)
	w.awaitTold("all shoes configmap.created")
	s.full.Store(true)
	shoes.Data["left"] = "7"
	w.update(shoes)
	<-s.refused
	s.full.Store(false)
	shoes.Labels["size"] = "41" // of which the expression alone would not hold
	w.update(shoes)
	w.awaitTold("all shoes configmap.created", "all shoes configmap.updated net")
	w.checkPatch("all", `{"op":"replace","path":"/data/left","value":"7"}`)
}
