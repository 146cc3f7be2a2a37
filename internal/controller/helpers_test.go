// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	hookac "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// newNamespace creates a namespace for one spec.
func newNamespace(ctx context.Context, labels map[string]string) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-", Labels: labels}}
	Expect(admin.Create(ctx, namespace)).To(Succeed())
	return namespace.Name
}

// newEndpoint returns an endpoint with a URL; edit may change it before it is created.
func newEndpoint(namespace, name string, edit ...func(*hookv1.WebhookEndpoint)) *hookv1.WebhookEndpoint {
	obj := &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       hookv1.WebhookEndpointSpec{URL: "https://billing.example.com/hooks"},
	}
	for _, e := range edit {
		e(obj)
	}
	return obj
}

// newSubscription returns a subscription of all events to an endpoint of its namespace.
func newSubscription(namespace, name, endpoint string, edit ...func(*hookv1.WebhookSubscription)) *hookv1.WebhookSubscription {
	obj := &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: hookv1.ObjectName(endpoint)},
			EventTypes:  []hookv1.EventTypePattern{"*"},
		},
	}
	for _, e := range edit {
		e(obj)
	}
	return obj
}

// newSecret returns a Secret of a user, marked for use.
func newSecret(namespace, name string, data map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue}},
		StringData: data,
	}
}

func create(ctx context.Context, obj client.Object) {
	GinkgoHelper()
	Expect(admin.Create(ctx, obj)).To(Succeed())
}

func refresh(ctx context.Context, obj client.Object) {
	GinkgoHelper()
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
}

// change edits an object as a user would, by a patch that leaves alone what others write.
func change[T client.Object](ctx context.Context, obj T, edit func(T)) {
	GinkgoHelper()
	refresh(ctx, obj)
	before := obj.DeepCopyObject().(client.Object)
	edit(obj)
	Expect(admin.Patch(ctx, obj, client.MergeFrom(before))).To(Succeed())
}

// poke has an object reconciled without a change of its spec.
func poke(ctx context.Context, obj client.Object) {
	GinkgoHelper()
	change(ctx, obj, func(o client.Object) {
		annotations := o.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["example.com/poke"] += "x"
		o.SetAnnotations(annotations)
	})
}

// condition reads one condition of an object, for Eventually; nil where it is absent.
func condition(ctx context.Context, obj conditioned, conditionType string) func() *metav1.Condition {
	return func() *metav1.Condition {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return nil
		}
		return meta.FindStatusCondition(obj.GetConditions(), conditionType)
	}
}

// be matches a condition of the object's present generation.
func be(status metav1.ConditionStatus, reason string, message ...string) types.GomegaMatcher {
	matchers := []types.GomegaMatcher{
		Not(BeNil()),
		HaveField("Status", status), HaveField("Reason", reason),
	}
	for _, m := range message {
		matchers = append(matchers, HaveField("Message", ContainSubstring(m)))
	}
	return And(matchers...)
}

// expectReady waits for Ready to have a status and a reason for the present generation.
func expectReady(ctx context.Context, obj conditioned, status metav1.ConditionStatus, reason string, message ...string) {
	GinkgoHelper()
	refresh(ctx, obj)
	Eventually(condition(ctx, obj, hookv1.ConditionReady)).Should(
		And(be(status, reason, message...), HaveField("ObservedGeneration", obj.GetGeneration())))
}

// dispatch plays the dispatcher: it writes conditions for the object's present generation, by
// server-side apply and without force.
func dispatch(ctx context.Context, obj conditioned, conditions ...metav1.Condition) {
	GinkgoHelper()
	refresh(ctx, obj)
	var list []*metav1ac.ConditionApplyConfiguration
	for _, c := range conditions {
		list = append(list, metav1ac.Condition().WithType(c.Type).WithStatus(c.Status).WithReason(c.Reason).
			WithMessage("Said by the dispatcher").WithObservedGeneration(obj.GetGeneration()).WithLastTransitionTime(metav1.Now()))
	}
	var apply runtime.ApplyConfiguration
	switch obj.(type) {
	case *hookv1.WebhookEndpoint:
		apply = hookac.WebhookEndpoint(obj.GetName(), obj.GetNamespace()).
			WithStatus(hookac.WebhookEndpointStatus().WithConditions(list...))
	case *hookv1.WebhookEventSource:
		apply = hookac.WebhookEventSource(obj.GetName(), obj.GetNamespace()).
			WithStatus(hookac.WebhookEventSourceStatus().WithConditions(list...))
	case *hookv1.WebhookSubscription:
		apply = hookac.WebhookSubscription(obj.GetName(), obj.GetNamespace()).
			WithStatus(hookac.WebhookSubscriptionStatus().WithConditions(list...))
	case *hookv1.WebhookEventType:
		apply = hookac.WebhookEventType(obj.GetName(), obj.GetNamespace()).
			WithStatus(hookac.WebhookEventTypeStatus().WithConditions(list...))
	}
	Expect(admin.Status().Apply(ctx, apply, client.FieldOwner(hookv1.FieldManagerDispatcher))).To(Succeed())
}

func isTrue(conditionType, reason string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: metav1.ConditionTrue, Reason: reason}
}

func isFalse(conditionType, reason string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: metav1.ConditionFalse, Reason: reason}
}

// route plays a dispatcher that routes the object once it has what it needs for that.
func route(ctx context.Context, obj conditioned) {
	GinkgoHelper()
	refresh(ctx, obj)
	if endpoint, ok := obj.(*hookv1.WebhookEndpoint); ok {
		Eventually(func(g Gomega) {
			c := credentialsOf(ctx, endpoint)
			g.Expect(c).NotTo(BeNil())
			g.Expect(c.Endpoint.UID).To(Equal(string(endpoint.UID)))
			g.Expect(c.Endpoint.Generation).To(Equal(endpoint.Generation))
			_, err := compile.Endpoint(endpoint, c, compile.BuiltinDefaults())
			g.Expect(err).NotTo(HaveOccurred())
		}).Should(Succeed())
		dispatch(ctx, obj, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded),
			isTrue(hookv1.ConditionDestinationAllowed, hookv1.ReasonAllowed), isTrue(hookv1.ConditionCircuitClosed, hookv1.ReasonClosed))
		return
	}
	if _, ok := obj.(*hookv1.WebhookEventType); ok {
		dispatch(ctx, obj, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded))
		return
	}
	dispatch(ctx, obj, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded), isTrue(hookv1.ConditionDelivering, hookv1.ReasonHealthy))
}

// wake has an endpoint reconciled and returns when the operator looks at it again without being asked
// to, for Eventually; 0 means that it does not.
func wake(ctx context.Context, obj *hookv1.WebhookEndpoint) func() (time.Duration, error) {
	reconciler := &WebhookEndpointReconciler{operator.base}
	return func() (time.Duration, error) {
		result, err := reconciler.Reconcile(ctx, request(obj.Namespace, obj.Name))
		return result.RequeueAfter, err
	}
}

// readyEndpoint creates an endpoint and waits until it is Ready.
func readyEndpoint(ctx context.Context, obj *hookv1.WebhookEndpoint) *hookv1.WebhookEndpoint {
	GinkgoHelper()
	create(ctx, obj)
	route(ctx, obj)
	expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	return obj
}

// credentialsOf reads what the dispatcher would; nil when there is nothing.
func credentialsOf(ctx context.Context, obj *hookv1.WebhookEndpoint) *compile.Credentials {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: ownNamespace, Name: compile.CredentialsName(obj.Namespace, obj.Name)}
	if err := admin.Get(ctx, key, secret); err != nil {
		return nil
	}
	c, err := compile.ParseCredentials(secret.Data[compile.CredentialsKey])
	if err != nil {
		return nil
	}
	return c
}

// signingSecretOf reads the Secret that the operator owns for an endpoint; it waits for it to be there.
func signingSecretOf(ctx context.Context, obj *hookv1.WebhookEndpoint) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: obj.Namespace, Name: obj.Name + hookv1.SigningSecretSuffix}
	Eventually(func() error { return admin.Get(ctx, key, secret) }).Should(Succeed())
	return secret
}

// signingData reads the data of that Secret as strings, for Eventually.
func signingData(ctx context.Context, obj *hookv1.WebhookEndpoint) func() map[string]string {
	return func() map[string]string {
		secret := &corev1.Secret{}
		key := client.ObjectKey{Namespace: obj.Namespace, Name: obj.Name + hookv1.SigningSecretSuffix}
		if err := admin.Get(ctx, key, secret); err != nil {
			return nil
		}
		out := map[string]string{}
		for k, v := range secret.Data {
			out[k] = string(v)
		}
		return out
	}
}

// faultInjector makes calls of the operator fail.
type faultInjector struct {
	mu     sync.Mutex
	before func(verb string, obj any) error
}

// inject has every write of the operator ask fault first, until the spec ends.
func (f *faultInjector) inject(fault func(verb string, obj any) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = fault
	DeferCleanup(f.clear)
}

func (f *faultInjector) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = nil
}

func (f *faultInjector) ask(verb string, obj any) error {
	f.mu.Lock()
	fault := f.before
	f.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(verb, obj)
}

// newClient is the manager's client with the faults before it.
func (f *faultInjector) newClient(restConfig *rest.Config, options client.Options) (client.Client, error) {
	inner, err := client.NewWithWatch(restConfig, options)
	if err != nil {
		return nil, err
	}
	return interceptor.NewClient(inner, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if err := f.ask("create", obj); err != nil {
				return err
			}
			return c.Create(ctx, obj, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			if err := f.ask("update", obj); err != nil {
				return err
			}
			return c.Update(ctx, obj, opts...)
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			if err := f.ask("apply", obj); err != nil {
				return err
			}
			return c.SubResource(sub).Apply(ctx, obj, opts...)
		},
	}), nil
}

// splitYAML splits a file at its document markers, without the empty ones.
func splitYAML(raw []byte) [][]byte {
	var out [][]byte
	for document := range bytes.SplitSeq(raw, []byte("---\n")) {
		if len(bytes.TrimSpace(document)) > 0 {
			out = append(out, document)
		}
	}
	return out
}

// eventsOf lists the Kubernetes Events on an object as "Reason" in order of their creation, for
// Eventually; one that was repeated is listed as often as it was.
func eventsOf(ctx context.Context, obj client.Object) func() []string {
	return func() []string {
		list := &corev1.EventList{}
		if err := admin.List(ctx, list, client.InNamespace(obj.GetNamespace())); err != nil {
			return []string{err.Error()}
		}
		var out []string
		for _, e := range list.Items {
			if e.InvolvedObject.Name != obj.GetName() || e.InvolvedObject.UID != obj.GetUID() {
				continue
			}
			times := 1
			if e.Series != nil {
				times = int(e.Series.Count)
			}
			for range times {
				out = append(out, fmt.Sprintf("%s %s", e.Type, e.Reason))
			}
		}
		return out
	}
}

// leaseInterval is how often the suite's Lease is renewed, and read.
const leaseInterval = 250 * time.Millisecond

// leasePaused stops the dispatcher that startLease plays. It renews under the lock, so that once the lease
// is paused no renewal is still on its way.
var (
	leaseLock   sync.Mutex
	leasePaused bool
)

func pauseLease() {
	setLeasePaused(true)
	DeferCleanup(resumeLease)
}

func resumeLease() { setLeasePaused(false) }

func setLeasePaused(paused bool) {
	leaseLock.Lock()
	defer leaseLock.Unlock()
	leasePaused = paused
}

// startLease plays a dispatcher that lives: it renews its Lease until the suite ends.
func startLease(ctx context.Context) {
	GinkgoHelper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: DispatcherLease}}
	Expect(admin.Create(ctx, lease)).To(Succeed())
	renew := func() {
		leaseLock.Lock()
		defer leaseLock.Unlock()
		if leasePaused {
			return
		}
		now := metav1.NowMicro()
		lease.Spec.RenewTime = &now
		_ = admin.Update(context.Background(), lease)
	}
	done := make(chan struct{})
	DeferCleanup(func() { close(done) })
	go func() {
		tick := time.NewTicker(leaseInterval)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				renew()
			}
		}
	}()
}

// label replaces a namespace's labels, but for the one that Kubernetes sets.
func label(ctx context.Context, namespace string, labels map[string]string) {
	GinkgoHelper()
	change(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, func(n *corev1.Namespace) {
		n.Labels = map[string]string{corev1.LabelMetadataName: namespace}
		maps.Copy(n.Labels, labels)
	})
}
