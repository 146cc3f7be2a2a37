// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// failingReader is an API server that does not answer while it is down.
type failingReader struct {
	client.Reader
	down bool
}

func (r *failingReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if r.down {
		return errors.New("connection refused")
	}
	return r.Reader.Get(ctx, key, obj, opts...)
}

func (w *DispatcherWatch) lastVersion() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.version
}

var _ = Describe("The Lease of the dispatcher", func() {
	var (
		reader *failingReader
		watch  *DispatcherWatch
		lease  *coordinationv1.Lease
		now    time.Time
	)
	BeforeEach(func(ctx SpecContext) {
		namespace := newNamespace(ctx, nil)
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: DispatcherLease}}
		reader = &failingReader{Reader: admin}
		watch = NewDispatcherWatch(reader, namespace)
		now = time.Now()
	})
	renew := func(ctx context.Context) {
		GinkgoHelper()
		renewed := metav1.NowMicro()
		lease.Spec.RenewTime = &renewed
		Expect(admin.Update(ctx, lease)).To(Succeed())
	}
	after := func(ctx context.Context, d time.Duration) presence {
		now = now.Add(d)
		watch.look(ctx, now)
		return watch.presence()
	}

	It("tells after 5 minutes without a change, by the operator's clock, that the dispatcher is away", func(ctx SpecContext) {
		// The time in the Lease is far off, as that of a machine with another clock is.
		past := metav1.NewMicroTime(now.Add(-time.Hour))
		lease.Spec.RenewTime = &past
		create(ctx, lease)
		Expect(after(ctx, 0)).To(Equal(undecided), "a first sight proves nothing")
		renew(ctx)
		Expect(after(ctx, time.Second)).To(Equal(present))
		Expect(after(ctx, 5*time.Minute-time.Second)).To(Equal(present))
		Expect(after(ctx, time.Second)).To(Equal(away))
		Expect(after(ctx, time.Hour)).To(Equal(away))
		renew(ctx)
		Expect(after(ctx, time.Second)).To(Equal(present))
	})

	It("tells so too when there is none", func(ctx SpecContext) {
		Expect(after(ctx, 0)).To(Equal(undecided))
		Expect(after(ctx, 5*time.Minute)).To(Equal(away))
		create(ctx, lease)
		Expect(after(ctx, time.Second)).To(Equal(present))
	})

	It("tells nothing of the time in which the API server does not answer", func(ctx SpecContext) {
		create(ctx, lease)
		after(ctx, 0)
		renew(ctx)
		Expect(after(ctx, time.Second)).To(Equal(present))
		reader.down = true
		Expect(after(ctx, time.Hour)).To(Equal(present))
		reader.down = false
		Expect(after(ctx, time.Second)).To(Equal(present), "the dispatcher could not renew it either")
		Expect(after(ctx, 4*time.Minute)).To(Equal(present))
		Expect(after(ctx, time.Minute)).To(Equal(away))
	})

	It("makes Ready Unknown on all objects, and back again when it is renewed", func(ctx SpecContext) {
		namespace := newNamespace(ctx, nil)
		endpoint := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		subscription := newSubscription(namespace, "orders", "billing")
		create(ctx, subscription)
		route(ctx, subscription)
		expectReady(ctx, subscription, metav1.ConditionTrue, hookv1.ReasonSucceeded)

		// The suite's own dispatcher goes on renewing its Lease, so that the operator is told another
		// story through the same door.
		Eventually(operator.base.Dispatcher.presence).Should(Equal(present))
		pauseLease()
		renewed := &coordinationv1.Lease{}
		Expect(admin.Get(ctx, operator.base.Dispatcher.key, renewed)).To(Succeed())
		Eventually(operator.base.Dispatcher.lastVersion).Should(HaveSuffix("/"+renewed.ResourceVersion),
			"a look of the operator's own that is still on its way would be taken for a renewal")
		operator.base.Dispatcher.look(ctx, time.Now().Add(6*time.Minute))
		for _, obj := range []conditioned{endpoint, subscription} {
			expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonDispatcherUnavailable, ownNamespace)
			Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, hookv1.ReasonDispatcherUnavailable))
		}
		Eventually(eventsOf(ctx, endpoint)).Should(ContainElement("Warning DispatcherUnavailable"))

		By("a new operator, which knows nothing yet, leaving it so")
		operator.stop()
		operator = startOperator(context.Background())
		poke(ctx, endpoint)
		Consistently(condition(ctx, endpoint, hookv1.ConditionReady)).Should(be(metav1.ConditionUnknown, hookv1.ReasonDispatcherUnavailable))

		resumeLease()
		for _, obj := range []conditioned{endpoint, subscription} {
			expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		}
	})
})
