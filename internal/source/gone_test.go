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
	w := newWorld(t)
	var full atomic.Bool
	refused := make(chan struct{}, 1)
	w.start(func(o *source.Options) {
		accept := o.Accept
		o.Accept = func(ctx context.Context, namespace string, events []*event.Event) error {
			if full.Load() {
				select {
				case refused <- struct{}{}:
				default:
				}
				return errFull
			}
			return accept(ctx, namespace, events)
		}
	})
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
	full.Store(true)
	w.delete(few)
	<-refused
	full.Store(false)
	w.eventually("the deletion is told", w.toldOf("few", "few configmap.created", "few configmap.deleted net"))
	w.eventually("it is over", w.toldOf("over", "few configmap.created", "few configmap.deleted.recovered net"))
	w.checkWhole("few")
}
