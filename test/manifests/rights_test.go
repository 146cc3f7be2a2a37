// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/internal/testkit/recorder"
)

// configuration admits the receiver, and has circuits that open and close at once. The operator's own
// rights are held against its roles in the suite of package controller.
const configuration = `
egress: {allow: [127.0.0.1]}
defaults:
  circuitBreaker: {failureThreshold: 1, openDuration: 1s, maxOpenDuration: 1s, probes: 1}
  retry: {delays: [100ms, 200ms, 500ms, 1s, 1s, 1s, 1s, 1s, 1s, 1s]}
`

// patience bounds each wait for something that must happen.
const patience = time.Minute

func TestDispatcherRole_HasEveryVerbThatIsUsedAndNoOther(t *testing.T) {
	receiver, err := recorder.New()
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	operator, err := posthorn.NewOperator(t.Context(), configuration, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, operator.Process)

	// An API server that cannot stream lists is listed and watched; the second dispatcher streams.
	first := startDispatcher(t, "KUBE_FEATURE_WatchListClient=false")
	producer := subscribe(t, receiver.URL("billing"))
	producer.Address = first.Ingest
	describeType(t, producer.Namespace)
	watchDeployments(t, producer.Namespace)
	post(t, producer, "1")
	awaitRequests(t, receiver, 1)
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	producer.Address = startDispatcher(t).Ingest
	for i := range 2 {
		flap(t, receiver, producer, fmt.Sprint("flap", i))
	}

	var rules []rbacv1.PolicyRule
	for _, document := range dispatcherRoles(t) {
		rules = append(rules, document.Rules...)
	}
	err = platform.Await(within(t), "every right is used", func(context.Context) error {
		requests, err := posthorn.Plane.Requests(dispatcher)
		if err != nil {
			return err
		}
		// The apply that made the Lease took create, which the log does not tell.
		requests = append(requests, controlplane.Request{
			Verb: "create", Group: "coordination.k8s.io", Resource: "leases", Name: "posthorn-dispatcher",
		})
		unused, missing := controlplane.CompareRights(rules, requests)
		if len(unused)+len(missing) > 0 {
			return fmt.Errorf("unused %v, missing %v", unused, missing)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDispatcherToken_ReadsNoSecretOutsideItsNamespace(t *testing.T) {
	t.Parallel()
	config, err := posthorn.Plane.ConfigFor(t.Context(), platform.Namespace, "posthorn-dispatcher")
	if err != nil {
		t.Fatal(err)
	}
	own, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	namespace, _, err := posthorn.Tenant(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "theirs", Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue}}}
	if err := posthorn.Admin.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	if err := own.List(t.Context(), &corev1.SecretList{}, client.InNamespace(platform.Namespace)); err != nil {
		t.Errorf("list in its own namespace: %v", err)
	}
	for what, err := range map[string]error{
		"get":           own.Get(t.Context(), client.ObjectKeyFromObject(theirs), &corev1.Secret{}),
		"list":          own.List(t.Context(), &corev1.SecretList{}, client.InNamespace(namespace)),
		"list all":      own.List(t.Context(), &corev1.SecretList{}),
		"write":         own.Update(t.Context(), theirs),
		"delete":        own.Delete(t.Context(), theirs),
		"list accounts": own.List(t.Context(), &corev1.ServiceAccountList{}, client.InNamespace(namespace)),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: got %v, want a refusal", what, err)
		}
	}
}

// watchDeployments makes a source of the Deployments of a namespace, chosen by its labels, and waits until it watches.
func watchDeployments(t *testing.T, namespace string) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "events-reader", Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue}}
	source := &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "deployments"},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "events-reader",
			Resources:          []hookv1.WatchedResource{{APIVersion: "apps/v1", Kind: "Deployment"}},
			Namespaces: &hookv1.WatchedNamespaces{From: hookv1.FromNamespacesSelector, Selector: &hookv1.LabelSelector{
				MatchLabels: map[string]hookv1.LabelValue{corev1.LabelMetadataName: hookv1.LabelValue(namespace)},
			}},
		},
	}
	err := errors.Join(
		posthorn.Admin.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}),
		posthorn.Admin.Create(t.Context(), &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "read-deployments-" + namespace},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"list", "watch"}}},
		}),
		posthorn.Admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "read-deployments-" + namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "read-deployments-" + namespace},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "events-reader"}},
		}),
		posthorn.Admin.Create(t.Context(), source),
		platform.Await(within(t), "the source watches", func(ctx context.Context) error {
			if err := posthorn.Admin.Get(ctx, client.ObjectKeyFromObject(source), source); err != nil {
				return err
			}
			if !apimeta.IsStatusConditionTrue(source.Status.Conditions, hookv1.ConditionReady) {
				return fmt.Errorf("its conditions are %+v", source.Status.Conditions)
			}
			return nil
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a process until the test ends, and shows the end of its log when that failed.
func run(t *testing.T, p *platform.Process) {
	t.Helper()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s ended with:\n%s", p.Log(), p.Tail(20))
		}
	})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
}

func startDispatcher(t *testing.T, env ...string) *platform.Dispatcher {
	t.Helper()
	d, err := posthorn.NewDispatcher(t.Context(), platform.DispatcherOptions{Config: configuration, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	run(t, d.Process)
	if err := d.AwaitReady(within(t)); err != nil {
		t.Fatal(err)
	}
	return d
}

// subscribe makes a tenant with a subscription of all events to an endpoint, and waits until it is Ready.
func subscribe(t *testing.T, url string) *platform.Producer {
	t.Helper()
	namespace, token, err := posthorn.Tenant(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "billing"}
	err = errors.Join(
		posthorn.Admin.Create(t.Context(), &hookv1.WebhookEndpoint{
			ObjectMeta: meta, Spec: hookv1.WebhookEndpointSpec{URL: hookv1.URL(url)},
		}),
		posthorn.Admin.Create(t.Context(), &hookv1.WebhookSubscription{
			ObjectMeta: meta, Spec: hookv1.WebhookSubscriptionSpec{
				EndpointRef: hookv1.EndpointRef{Name: "billing"}, EventTypes: []hookv1.EventTypePattern{"*"},
			},
		}),
		posthorn.AwaitSubscriptions(within(t), namespace, "the subscription is Ready", platform.IsReady),
	)
	if err != nil {
		t.Fatal(err)
	}
	return &platform.Producer{Namespace: namespace, Token: token}
}

// describeType describes the type that post sends, and waits until events are checked by it.
func describeType(t *testing.T, namespace string) {
	t.Helper()
	obj := &hookv1.WebhookEventType{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "order-created"},
		Spec: hookv1.WebhookEventTypeSpec{
			Type: "com.example.order.created", Schema: &runtime.RawExtension{Raw: []byte(`{"type":"object"}`)},
		},
	}
	if err := posthorn.Admin.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	err := platform.Await(within(t), "the type is Ready", func(ctx context.Context) error {
		if err := posthorn.Admin.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		if !apimeta.IsStatusConditionTrue(obj.Status.Conditions, hookv1.ConditionReady) {
			return fmt.Errorf("its conditions are %v", obj.Status.Conditions)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func post(t *testing.T, p *platform.Producer, id string) {
	t.Helper()
	if _, err := p.Post(within(t), platform.Event{ID: id, Type: "com.example.order.created", Data: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
}

// flap has the circuit of the endpoint open, and close again.
func flap(t *testing.T, r *recorder.Recorder, p *platform.Producer, id string) {
	t.Helper()
	endpoint := func(state hookv1.CircuitState) {
		t.Helper()
		err := platform.Await(within(t), "the circuit is "+string(state), func(ctx context.Context) error {
			var obj hookv1.WebhookEndpoint
			if err := posthorn.Admin.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: "billing"}, &obj); err != nil {
				return err
			}
			if c := obj.Status.Circuit; c == nil || c.State != state {
				return fmt.Errorf("it is %v", c)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Answer("billing", recorder.Status(500, nil))
	post(t, p, id)
	endpoint(hookv1.CircuitStateOpen)
	r.Answer("billing", nil)
	endpoint(hookv1.CircuitStateClosed)
}

func awaitRequests(t *testing.T, r *recorder.Recorder, n int) {
	t.Helper()
	err := platform.Await(within(t), "the receiver has its requests", func(context.Context) error {
		if got := r.Len(); got < n {
			return fmt.Errorf("it has %d of %d", got, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dispatcherRoles reads the generated ClusterRole and Role; both have the rules of a Role.
func dispatcherRoles(t *testing.T) []rbacv1.Role {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "dispatcher_role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []rbacv1.Role
	for document := range bytes.SplitSeq(bytes.TrimPrefix(raw, []byte("---\n")), []byte("\n---\n")) {
		var role rbacv1.Role
		if err := yaml.Unmarshal(document, &role); err != nil {
			t.Fatal(err)
		}
		out = append(out, role)
	}
	return out
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
