// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/internal/testkit/recorder"
)

// TestStatus_IsNeverAheadOfWhatIsRouted changes, breaks and mends specs under a real operator and a real dispatcher.
// Whenever Ready is True of the last change, the next event must go by it; and every revision in between is held
// against kstatus, as are those of all other tests.
func TestStatus_IsNeverAheadOfWhatIsRouted(t *testing.T) {
	ctx := within(t, 3*time.Minute)
	dispatcher := newDispatcher(t, platform.DispatcherOptions{})
	must(t, dispatcher.Start())
	startOperator(t, nil)
	tt := newTruth(ctx, t, dispatcher.Ingest)

	tt.expect(ctx, t, "v0")
	for i := range 10 { // the next change follows at once, so that it may meet the last one on its way
		tt.patch(ctx, t, tt.endpoint, `{"spec":{"url":%q}}`, tt.receiver.URL(fmt.Sprint("passed", i)))
		path := fmt.Sprint("v", i+1)
		tt.patch(ctx, t, tt.endpoint, `{"spec":{"url":%q}}`, tt.receiver.URL(path))
		tt.expect(ctx, t, path)
	}

	const header = `{"spec":{"headers":[{"name":"X-Key","valueFrom":{"secretKeyRef":{"name":"keys","key":"key"}}}]}}`
	tt.patch(ctx, t, tt.endpoint, header)
	tt.await(ctx, t, tt.endpoint, metav1.ConditionFalse, hookv1.ReasonSecretNotFound)
	for range 2 {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: tt.namespace, Name: "keys", Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue},
			},
			StringData: map[string]string{"key": "value"},
		}
		must(t, posthorn.Admin.Create(ctx, secret))
		tt.expect(ctx, t, "v10")
		must(t, posthorn.Admin.Delete(ctx, secret))
		tt.await(ctx, t, tt.endpoint, metav1.ConditionFalse, hookv1.ReasonSecretNotFound)
	}
	tt.patch(ctx, t, tt.endpoint, `{"spec":{"headers":null}}`)
	tt.expect(ctx, t, "v10")

	tt.patch(ctx, t, tt.subscription, `{"spec":{"filter":"event.data.n >"}}`)
	tt.await(ctx, t, tt.subscription, metav1.ConditionFalse, hookv1.ReasonInvalidFilter)
	tt.patch(ctx, t, tt.subscription, `{"spec":{"filter":"event.data.n > 0"}}`)
	tt.expect(ctx, t, "v10")
	tt.patch(ctx, t, tt.subscription, `{"spec":{"endpointRef":{"name":"other"}}}`)
	tt.await(ctx, t, tt.subscription, metav1.ConditionFalse, hookv1.ReasonEndpointNotFound)
	tt.endpoint = tt.create(ctx, t, "other", "other")
	tt.expect(ctx, t, "other")

	must(t, platform.Await(ctx, "every state was seen", func(context.Context) error {
		if seen := recorded.Statuses(); seen["Current"] == 0 || seen["InProgress"] == 0 || seen["Failed"] == 0 {
			return fmt.Errorf("they are %v", seen)
		}
		return nil
	}))
}

// truth is an endpoint and a subscription of all events to it, whose status is put to the test.
type truth struct {
	namespace    string
	receiver     *recorder.Recorder
	producer     platform.Producer
	endpoint     *hookv1.WebhookEndpoint
	subscription *hookv1.WebhookSubscription
	events       int
}

func newTruth(ctx context.Context, t *testing.T, ingest string) *truth {
	t.Helper()
	namespace, token, err := posthorn.Tenant(ctx)
	must(t, err)
	tt := &truth{
		namespace: namespace, receiver: newReceiver(t),
		producer: platform.Producer{Address: ingest, Namespace: namespace, Token: token},
		subscription: &hookv1.WebhookSubscription{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "billing"},
			Spec: hookv1.WebhookSubscriptionSpec{
				EndpointRef: hookv1.EndpointRef{Name: "billing"}, EventTypes: []hookv1.EventTypePattern{"*"},
			},
		},
	}
	tt.endpoint = tt.create(ctx, t, "billing", "v0")
	must(t, posthorn.Admin.Create(ctx, tt.subscription))
	return tt
}

// create makes an endpoint at a path of the receiver.
func (tt *truth) create(ctx context.Context, t *testing.T, name, path string) *hookv1.WebhookEndpoint {
	t.Helper()
	endpoint := &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: tt.namespace, Name: name},
		Spec:       hookv1.WebhookEndpointSpec{URL: hookv1.URL(tt.receiver.URL(path))},
	}
	must(t, posthorn.Admin.Create(ctx, endpoint))
	return endpoint
}

// patch changes a spec.
func (tt *truth) patch(ctx context.Context, t *testing.T, obj client.Object, format string, args ...any) {
	t.Helper()
	must(t, posthorn.Admin.Patch(ctx, obj, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, format, args...))))
}

// expect waits until endpoint and subscription are Ready. An event that is posted then must arrive at the path, and
// nowhere else.
func (tt *truth) expect(ctx context.Context, t *testing.T, path string) {
	t.Helper()
	tt.await(ctx, t, tt.endpoint, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	tt.await(ctx, t, tt.subscription, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	tt.events++
	id := fmt.Sprint("event", tt.events)
	_, err := tt.producer.Post(ctx, platform.Event{ID: id, Type: "com.example.order.created", Data: []byte(`{"n":1}`)})
	must(t, err)
	must(t, platform.Await(ctx, id+" arrives", func(context.Context) error {
		for _, r := range tt.receiver.Requests() {
			if r.Event == id && r.Endpoint != path {
				t.Fatalf("%s went to %s, though Ready was True of the change to %s", id, r.Endpoint, path)
			}
			if r.Event == id {
				return nil
			}
		}
		return fmt.Errorf("it has not arrived at %s", path)
	}))
}

// await waits until Ready is so, of the last generation.
func (tt *truth) await(ctx context.Context, t *testing.T, obj conditioned, want metav1.ConditionStatus, reason string) {
	t.Helper()
	must(t, platform.Await(ctx, fmt.Sprintf("%s is %s: %s", obj.GetName(), want, reason), func(ctx context.Context) error {
		if err := posthorn.Admin.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		c := meta.FindStatusCondition(obj.GetConditions(), hookv1.ConditionReady)
		if c == nil || c.ObservedGeneration != obj.GetGeneration() || c.Status != want || c.Reason != reason {
			return fmt.Errorf("at generation %d it is %+v", obj.GetGeneration(), c)
		}
		return nil
	}))
}

// conditioned is an object with conditions.
type conditioned interface {
	client.Object
	GetConditions() []metav1.Condition
}
