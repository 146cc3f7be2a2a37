// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/routing"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

// system is Posthorn's own namespace in these tests.
const system = "posthorn-system"

// patience bounds a wait for what takes milliseconds.
const patience = 30 * time.Second

// controlPlane starts the API server for the first test that needs it; TestMain stops it.
var controlPlane = sync.OnceValues(func() (*controlplane.ControlPlane, error) {
	started = true
	c, err := controlplane.Start(controlplane.Options{})
	if err != nil {
		return nil, err
	}
	return c, c.InstallCRDs("../../config/crd/bases")
})

// started says whether controlPlane was called.
var started bool

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	code := m.Run()
	if started {
		if c, err := controlPlane(); c != nil {
			if err = errors.Join(err, c.Stop()); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = max(code, 1)
			}
		}
	}
	os.Exit(code)
}

// world is the API server as a test sees it: the administrator's client, and a namespace of its own.
type world struct {
	*testing.T
	plane     *controlplane.ControlPlane
	client    client.Client
	namespace string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	plane, err := controlPlane()
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{hookv1.AddToScheme, corev1.AddToScheme, rbacv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(plane.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, plane: plane, client: c}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system}}); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	w.create(ns)
	w.namespace = ns.Name
	return w
}

func (w *world) create(obj client.Object) {
	w.Helper()
	if err := w.client.Create(w.Context(), obj); err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(obj client.Object) {
	w.Helper()
	if err := w.client.Update(w.Context(), obj); err != nil {
		w.Fatal(err)
	}
}

func (w *world) delete(obj client.Object) {
	w.Helper()
	if err := w.client.Delete(w.Context(), obj); err != nil {
		w.Fatal(err)
	}
}

// endpoint creates an unsigned endpoint.
func (w *world) endpoint(name string) *hookv1.WebhookEndpoint {
	w.Helper()
	obj := &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: hookv1.WebhookEndpointSpec{
			URL: "https://billing.example.com", Signing: &hookv1.Signing{Scheme: hookv1.SigningSchemeNone},
		},
	}
	w.create(obj)
	return obj
}

// subscription creates a subscription to everything.
func (w *world) subscription(name string) *hookv1.WebhookSubscription {
	w.Helper()
	obj := &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: "billing"}, EventTypes: []hookv1.EventTypePattern{"*"},
		},
	}
	w.create(obj)
	return obj
}

// source creates an event source of Pods.
func (w *world) source(name string) *hookv1.WebhookEventSource {
	w.Helper()
	obj := &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "reader", Resources: []hookv1.WatchedResource{{APIVersion: "v1", Kind: "Pod"}},
		},
	}
	w.create(obj)
	return obj
}

// credentials returns what the operator writes for an endpoint.
func (w *world) credentials(obj *hookv1.WebhookEndpoint) *corev1.Secret {
	w.Helper()
	c := compile.Credentials{Endpoint: compile.CredentialsOwner{
		Namespace: obj.Namespace, Name: obj.Name, UID: string(obj.UID), Generation: obj.Generation,
	}}
	b, err := c.Marshal()
	if err != nil {
		w.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: system, Name: compile.CredentialsName(obj.Namespace, obj.Name),
			Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue},
		},
		Type: hookv1.SecretTypeEndpointCredentials,
		Data: map[string][]byte{compile.CredentialsKey: b},
	}
}

// route runs a Router for the namespace of the test until it ends, and returns its updates.
func (w *world) route(config *rest.Config) <-chan routing.Update {
	w.Helper()
	return w.routeIn(config, w.namespace)
}

// routeIn is route for other namespaces; none means all.
func (w *world) routeIn(config *rest.Config, namespaces ...string) <-chan routing.Update {
	w.Helper()
	updates := make(chan routing.Update, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- routing.Run(ctx, routing.Options{
			Config: config, Namespace: system, Namespaces: namespaces,
			Defaults: compile.BuiltinDefaults(), Log: slog.New(slog.DiscardHandler),
			OnUpdate: func(u routing.Update) { updates <- u },
		})
	}()
	w.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("Run: %v", err)
		}
	})
	return updates
}

// await reads updates until one is as wanted, and returns it.
func (w *world) await(updates <-chan routing.Update, what string, wanted func(routing.Update) bool) routing.Update {
	w.Helper()
	timeout := time.After(patience)
	for {
		select {
		case u := <-updates:
			if wanted(u) {
				return u
			}
		case <-timeout:
			w.Fatalf("never saw %s", what)
		}
	}
}

func (w *world) name(name string) delivery.Name {
	return delivery.Name{Namespace: w.namespace, Name: name}
}

// next returns the next update, whatever it holds.
func (w *world) next(updates <-chan routing.Update) routing.Update {
	w.Helper()
	select {
	case u := <-updates:
		return u
	case <-time.After(patience):
		w.Fatal("no update came")
		return routing.Update{}
	}
}

func TestRun_FirstUpdateHoldsEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 50
	for i := range n {
		w.subscription(fmt.Sprintf("s%d", i))
	}
	w.create(w.credentials(w.endpoint("billing")))
	u := w.next(w.route(w.plane.Config()))
	subs := 0
	for range u.Table.Subscriptions() {
		subs++
	}
	if subs != n || u.Table.Endpoint(w.name("billing")) == nil || len(u.Invalid) != 0 {
		t.Errorf("got %d subscriptions, endpoint %v, invalid %v", subs, u.Table.Endpoint(w.name("billing")), u.Invalid)
	}
}

func TestRun_FollowsTheLifeOfAnEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	updates := w.route(w.plane.Config())
	w.next(updates)

	obj := w.endpoint("billing")
	u := w.await(updates, "an endpoint that waits for credentials", func(u routing.Update) bool { return len(u.Invalid) == 1 })
	if u.Invalid[0].Reason != hookv1.ReasonCredentialsPending || u.Invalid[0].UID != string(obj.UID) {
		t.Errorf("got %+v", u.Invalid[0])
	}
	secret := w.credentials(obj)
	w.create(secret)
	w.await(updates, "the endpoint", func(u routing.Update) bool {
		return u.Table.Endpoint(w.name("billing")) != nil && len(u.Invalid) == 0
	})

	obj.Spec.Concurrency = 3
	w.update(obj)
	secret.Data = w.credentials(obj).Data
	w.update(secret)
	u = w.await(updates, "its second generation", func(u routing.Update) bool {
		e := u.Table.Endpoint(w.name("billing"))
		if e == nil {
			t.Error("an edit interrupts the endpoint")
		}
		return e != nil && e.Generation == 2
	})
	if got := u.Table.Endpoint(w.name("billing")).Concurrency; got != 3 {
		t.Errorf("Concurrency: got %d, want 3", got)
	}

	w.delete(secret)
	w.await(updates, "the loss of its credentials", func(u routing.Update) bool { return len(u.Invalid) == 1 })
	w.delete(obj)
	w.await(updates, "its deletion", func(u routing.Update) bool { return len(u.Invalid) == 0 })
}

func TestRun_FollowsTheLifeOfAnEventSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscription("orders")
	there := w.source("there")
	updates := w.route(w.plane.Config())
	first := w.next(updates)
	if len(first.Sources) != 1 || first.Sources[0].Name != w.name("there") || first.Sources[0].UID != string(there.UID) || first.SameTable {
		t.Errorf("the first update has %+v", first)
	}

	obj := w.source("pods")
	u := w.await(updates, "a second source", func(u routing.Update) bool { return len(u.Sources) == 2 })
	if u.Sources[0].Name != w.name("pods") || !u.SameTable || u.Table != first.Table {
		t.Errorf("sources %v, alone: %t; they are in order, and the table is that of before", u.Sources, u.SameTable)
	}

	// A write of the status alone brings no update: the next one is that of the spec.
	obj.Status.Objects = new(int64)
	if err := w.client.Status().Update(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	yes := true
	obj.Spec.Suspend = &yes
	w.update(obj)
	if u = w.next(updates); len(u.Sources) != 2 || !u.Sources[0].Suspended || u.Sources[0].Generation != 2 {
		t.Errorf("after a change the sources are %+v", u.Sources)
	}

	obj.Spec.Resources[0].Selector = &hookv1.LabelSelector{MatchLabels: map[string]hookv1.LabelValue{"not a key": "a"}}
	w.update(obj)
	u = w.await(updates, "a source that cannot be used", func(u routing.Update) bool { return len(u.Invalid) == 1 })
	if got := u.Invalid[0]; got.Kind != hookv1.KindWebhookEventSource || got.Name != w.name("pods") || got.Generation != 3 {
		t.Errorf("got %+v", got)
	}
	w.delete(obj)
	w.delete(there)
	w.await(updates, "their deletion", func(u routing.Update) bool { return len(u.Sources)+len(u.Invalid) == 0 })
}

func TestRun_RoutesAllNamespaces(t *testing.T) {
	t.Parallel()
	one, other := newWorld(t), newWorld(t)
	one.create(one.credentials(one.endpoint("billing")))
	updates := one.routeIn(one.plane.Config())
	other.subscription("orders")
	one.await(updates, "objects of two namespaces", func(u routing.Update) bool {
		return u.Table.Endpoint(one.name("billing")) != nil && u.Table.Subscription(other.name("orders")) != nil
	})
}

func TestRun_ReusesWhatDidNotChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.subscription("orders")
	updates := w.route(w.plane.Config())
	before := w.next(updates).Table.Subscription(w.name("orders"))

	// A write of the status alone brings no update: the next one is that of the other subscription.
	sub.Status.Endpoint = w.name("billing").String()
	if err := w.client.Status().Update(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	w.subscription("invoices")
	u := w.next(updates)
	if u.Table.Subscription(w.name("invoices")) == nil {
		t.Error("a write of the status brought an update")
	}
	if u.Table.Subscription(w.name("orders")) != before {
		t.Error("a subscription that did not change was compiled anew")
	}
}

func TestRun_AnObjectThatIsBeingDeletedIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sub := w.subscription("orders")
	sub.Finalizers = []string{"example.com/hold"}
	w.update(sub)
	updates := w.route(w.plane.Config())
	w.next(updates)
	w.delete(sub)
	w.await(updates, "its deletion", func(u routing.Update) bool { return u.Table.Subscription(w.name("orders")) == nil })
	sub = &hookv1.WebhookSubscription{}
	if err := w.client.Get(t.Context(), client.ObjectKey(w.name("orders")), sub); err != nil {
		t.Fatal(err)
	}
	sub.Finalizers = nil
	w.update(sub)
}

func TestRun_NeedsTheRightsOfItsMarkersAndNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "dispatcher"}}
	w.create(account)
	read := []string{"list", "watch"}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.namespace, Name: "dispatcher"}}
	meta := metav1.ObjectMeta{Name: "routing-" + w.namespace}
	w.create(&rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{hookv1.GroupName}, Resources: []string{"webhookendpoints", "webhooksubscriptions", "webhookeventsources", "webhookeventtypes"}, Verbs: read,
	}}})
	w.create(&rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
	})
	meta.Namespace = system
	w.create(&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: read,
	}}})
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: meta, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
	})
	config, err := w.plane.ConfigFor(t.Context(), w.namespace, "dispatcher")
	if err != nil {
		t.Fatal(err)
	}
	w.create(w.credentials(w.endpoint("billing")))
	w.await(w.route(config), "the endpoint with its credentials", func(u routing.Update) bool {
		return u.Table.Endpoint(w.name("billing")) != nil
	})
}

func TestRun_WaitsForTheAPIServerAndOutlivesIt(t *testing.T) {
	t.Parallel()
	// This test breaks its control plane, so that it has one of its own.
	own, err := controlplane.Start(controlplane.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := own.InstallCRDs("../../config/crd/bases"); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := hookv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(own.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, client: c, namespace: "default"}
	w.subscription("before")
	if err := own.StopAPIServer(); err != nil {
		t.Fatal(err)
	}

	updates := w.route(own.Config())
	if err := own.StartAPIServer(); err != nil {
		t.Fatal(err)
	}
	u := w.next(updates)
	if u.Table.Subscription(w.name("before")) == nil {
		t.Fatal("the first update lacks what was there")
	}

	if err := own.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	if err := own.StartAPIServer(); err != nil {
		t.Fatal(err)
	}
	w.subscription("after")
	w.await(updates, "what was made after the outage", func(u routing.Update) bool {
		if u.Table.Subscription(w.name("before")) == nil {
			t.Error("the outage lost what was there")
		}
		return u.Table.Subscription(w.name("after")) != nil
	})
}

func TestNew_RefusesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := routing.New(routing.Options{}); err == nil {
		t.Error("options without anything are taken")
	}
}
