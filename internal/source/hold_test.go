// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/problem"
	"github.com/posthorn-dev/posthorn/internal/source"
)

func TestRunner_TellsTheNetEffectOfASuspension(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("rests", nil)
	w.source("goes", nil)
	w.awaitWatching("rests")
	w.awaitWatching("goes")
	kept, gone := w.configMap("kept", nil), w.configMap("gone", nil)
	w.create(kept, gone)
	w.eventually("both are told", w.toldOf("rests", "kept configmap.created", "gone configmap.created"))
	w.edit("rests", func(s *hookv1.WebhookEventSourceSpec) { s.Suspend = new(bool); *s.Suspend = true })
	w.eventually("it is suspended", func() error {
		if got := w.facts("rests").Watching.Reason; got != hookv1.ReasonSuspended {
			return fmt.Errorf("Watching is %s", got)
		}
		return nil
	})
	kept.Data = map[string]string{"a": "1"}
	w.update(kept)
	kept.Data = map[string]string{"a": "2"}
	w.update(kept)
	w.delete(gone)
	brief := w.configMap("brief", nil)
	w.create(brief)
	w.delete(brief)
	w.eventually("the other source is told", w.toldOf("goes", "kept configmap.created", "gone configmap.created",
		"kept configmap.updated", "kept configmap.updated", "gone configmap.deleted", "brief configmap.created", "brief configmap.deleted"))
	w.stop() // what is held outlives a restart
	w.start()
	w.edit("rests", func(s *hookv1.WebhookEventSourceSpec) { *s.Suspend = false })
	w.eventually("the net effect is told", w.toldOf("rests", "kept configmap.created", "gone configmap.created",
		"kept configmap.updated net", "gone configmap.deleted net"))
}

// newWatching returns a world with a source of all changes, and a ConfigMap of whose creation it has told.
func newWatching(t *testing.T) (*world, *corev1.ConfigMap) {
	t.Helper()
	w := newWorld(t)
	w.start()
	w.source("all", nil)
	w.awaitWatching("all")
	shoes := w.configMap("shoes", nil)
	w.create(shoes)
	w.awaitTold("all shoes configmap.created")
	return w, shoes
}

func TestRunner_EndsWithARightAndGoesOnWithIt(t *testing.T) {
	w, shoes := newWatching(t)
	var binding rbacv1.RoleBinding
	if err := w.client.Get(t.Context(), key(w.namespace, "reader"), &binding); err != nil {
		t.Fatal(err)
	}
	w.delete(&binding)
	w.awaitPermissions("all", hookv1.ReasonPermissionMissing, "may not list and watch configmaps in namespace "+w.namespace)
	shoes.Data = map[string]string{"left": "0"}
	w.update(shoes)
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "reader"}, RoleRef: binding.RoleRef, Subjects: binding.Subjects,
	})
	w.awaitTold("all shoes configmap.created", "all shoes configmap.updated net")
}

func TestRunner_NamesTheServiceAccountThatMayNotBeUsed(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("stranger", func(s *hookv1.WebhookEventSourceSpec) { s.ServiceAccountName = "nobody" })
	w.awaitPermissions("stranger", hookv1.ReasonServiceAccountNotFound, "ServiceAccount nobody does not exist")
	w.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "nobody"}})
	w.awaitPermissions("stranger", hookv1.ReasonServiceAccountNotAllowed, hookv1.LabelUse)
}

func TestRunner_SeesNothingOfOtherNamespaces(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	w.start()
	w.source("own", nil)
	w.awaitWatching("own")
	other.create(other.configMap("foreign", nil))
	w.create(w.configMap("mine", nil))
	w.awaitTold("own mine configmap.created")
	w.source("greedy", func(s *hookv1.WebhookEventSourceSpec) {
		s.Namespaces = &hookv1.WatchedNamespaces{From: hookv1.FromNamespacesAll}
	})
	w.awaitPermissions("greedy", hookv1.ReasonPermissionMissing, "in the whole cluster")
}

// errFull is what ingest answers for a namespace that holds its share.
var errFull = problem.Kind{Status: 429, Title: "full"}.New("full")

func TestRunner_ANamespaceThatHoldsItsShareHoldsUpNobody(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	var full atomic.Bool
	full.Store(true)
	w.start(func(o *source.Options) {
		accept := o.Accept
		o.Accept = func(ctx context.Context, namespace string, events []*event.Event) error {
			if namespace == other.namespace && full.Load() {
				return errFull
			}
			return accept(ctx, namespace, events)
		}
	})
	w.source("well", nil)
	other.runner, other.board = w.runner, w.board
	other.source("full", nil)
	w.sources["full"] = other.sources["full"]
	w.load()
	w.awaitWatching("well")
	other.awaitWatching("full")
	shoes, brief := other.configMap("shoes", nil), other.configMap("brief", nil)
	other.create(shoes, brief)
	shoes.Data = map[string]string{"left": "0"}
	other.update(shoes)
	other.delete(brief)
	w.create(w.configMap("mine", nil))
	w.awaitTold("well mine configmap.created")
	full.Store(false)
	w.awaitTold("well mine configmap.created", "full shoes configmap.created net")
}

func TestRunner_WatchesOfSecretsTheMetadataAlone(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("secrets", func(s *hookv1.WebhookEventSourceSpec) {
		s.Resources = []hookv1.WatchedResource{{APIVersion: "v1", Kind: "Secret"}}
		s.Data = &hookv1.EventData{Form: hookv1.DataFormObject}
	})
	w.awaitWatching("secrets")
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "key"}, Data: map[string][]byte{"key": []byte("hunter2")}}
	w.create(secret)
	secret.Data["key"] = []byte("hunter3")
	w.update(secret)
	secret.Labels = map[string]string{"rotated": "yes"}
	w.update(secret)
	w.awaitTold("secrets key secret.created", "secrets key secret.updated")
	for _, e := range w.events() {
		if strings.Contains(string(e.Data), "hunter") || strings.Contains(string(e.Data), "aHVudGVy") || !strings.Contains(string(e.Data), `"object"`) {
			t.Errorf("it tells %s", e.Data)
		}
	}
}

func TestRunner_WaitsForTheAnswersAboutRights(t *testing.T) {
	w, shoes := newWatching(t)
	w.stop()
	for i := range 2 {
		shoes.Data = map[string]string{"left": fmt.Sprint(i)}
		w.update(shoes)
	}
	var refused atomic.Int64
	p := newProxy(t, w.plane.Config(), nil)
	p.refuse = func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/subjectaccessreviews") && refused.Add(1) <= 3
	}
	w.start(func(o *source.Options) { o.Config = p.config })
	w.awaitTold("all shoes configmap.created", "all shoes configmap.updated", "all shoes configmap.updated")
	if refused.Load() <= 3 {
		t.Errorf("only %d questions were asked", refused.Load())
	}
}
