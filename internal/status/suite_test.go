// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

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
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

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
	for _, add := range []func(*runtime.Scheme) error{
		hookv1.AddToScheme, corev1.AddToScheme, rbacv1.AddToScheme, eventsv1.AddToScheme, coordinationv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(plane.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return &world{T: t, plane: plane, client: c, namespace: ns.Name}
}

func (w *world) create(objects ...client.Object) {
	w.Helper()
	for _, obj := range objects {
		if err := w.client.Create(w.Context(), obj); err != nil {
			w.Fatal(err)
		}
	}
}

// endpoint creates an endpoint and returns the facts of one that is routed and well.
func (w *world) endpoint(name string) EndpointFacts {
	w.Helper()
	obj := &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       hookv1.WebhookEndpointSpec{URL: "https://billing.example.com"},
	}
	w.create(obj)
	f := healthy()
	f.Name, f.UID, f.Generation = delivery.Name{Namespace: w.namespace, Name: name}, string(obj.UID), obj.Generation
	return f
}

// subscription creates a subscription and returns the facts of one that is routed and well.
func (w *world) subscription(name string) SubscriptionFacts {
	w.Helper()
	obj := &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: "billing"}, EventTypes: []hookv1.EventTypePattern{"*"},
		},
	}
	w.create(obj)
	f := delivering()
	f.Name, f.UID, f.Generation = delivery.Name{Namespace: w.namespace, Name: name}, string(obj.UID), obj.Generation
	return f
}

// source creates an event source and returns the facts of one that watches.
func (w *world) source(name string) SourceFacts {
	w.Helper()
	obj := &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "reader", Resources: []hookv1.WatchedResource{{APIVersion: "v1", Kind: "Pod"}},
		},
	}
	w.create(obj)
	f := watching()
	f.Name, f.UID, f.Generation = delivery.Name{Namespace: w.namespace, Name: name}, string(obj.UID), obj.Generation
	return f
}

// readSource returns the event source of that name as the API server has it.
func (w *world) readSource(name string) *hookv1.WebhookEventSource {
	w.Helper()
	obj := &hookv1.WebhookEventSource{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, obj); err != nil {
		w.Fatal(err)
	}
	return obj
}

// readEndpoint returns the endpoint of that name as the API server has it.
func (w *world) readEndpoint(name string) *hookv1.WebhookEndpoint {
	w.Helper()
	obj := &hookv1.WebhookEndpoint{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, obj); err != nil {
		w.Fatal(err)
	}
	return obj
}

// write runs a Writer until the test ends.
func (w *world) write(config *rest.Config) *Writer {
	w.Helper()
	writer, err := New(Options{Config: config, Reader: w.client, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- writer.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("Run: %v", err)
		}
	})
	return writer
}

// eventually polls until the condition holds.
func (w *world) eventually(what string, condition func() bool) {
	w.Helper()
	err := wait.PollUntilContextTimeout(w.Context(), 20*time.Millisecond, patience, true,
		func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		w.Fatalf("never saw %s: %v", what, err)
	}
}

// account creates a ServiceAccount with these rights, in the whole cluster and in the test's namespace,
// and returns its configuration.
func (w *world) account(everywhere, here []rbacv1.PolicyRule) *rest.Config {
	w.Helper()
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.namespace, Name: "dispatcher"}}
	meta := metav1.ObjectMeta{Name: "status-" + w.namespace}
	local := metav1.ObjectMeta{Name: "status", Namespace: w.namespace}
	w.create(
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "dispatcher"}},
		&rbacv1.ClusterRole{ObjectMeta: meta, Rules: everywhere},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: meta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		},
		&rbacv1.Role{ObjectMeta: local, Rules: here},
		&rbacv1.RoleBinding{
			ObjectMeta: local, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: local.Name},
		},
	)
	config, err := w.plane.ConfigFor(w.Context(), w.namespace, "dispatcher")
	if err != nil {
		w.Fatal(err)
	}
	return config
}
