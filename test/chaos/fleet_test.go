// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/internal/testkit/recorder"
)

const (
	// fleetSize is how many endpoints a fleet has. Endpoint i wants the events of kind i modulo fleetKinds, so
	// that every event matches two of them.
	fleetSize  = 50
	fleetKinds = 25
)

// manner is how an endpoint behaves.
type manner int

const (
	healthy   manner = iota
	flaky            // answers 500 to a third of the requests
	hanging          // answers nothing to a tenth of the requests
	down             // answers 503 until repaired, so that its circuit opens
	suspended        // its spec says so, until resumed
	refusing         // answers 422 for a tenth of the events, which its subscription gives up on
)

// manners are those of the endpoints of a fleet, by number.
func manners(i int) manner {
	switch {
	case i < 24:
		return healthy
	case i < 32:
		return flaky
	case i < 36:
		return hanging
	case i < 42:
		return down
	case i < 46:
		return suspended
	default:
		return refusing
	}
}

// fleet is a tenant with endpoints of all manners, and one subscription for each.
type fleet struct {
	namespace string
	receiver  *recorder.Recorder
	producer  platform.Producer
	latency   time.Duration
	repaired  atomic.Bool

	mu sync.Mutex
	// accepted are the ids of the events that were answered with 202, with their kinds.
	accepted map[string]int
	// repeated counts the requests that were made again.
	repeated int
}

// newFleet makes a fleet whose receivers take up to the latency for an answer. It returns when all
// subscriptions are Ready, which takes an operator and the dispatcher at the address.
func newFleet(t *testing.T, ingest string, latency time.Duration) *fleet {
	t.Helper()
	ctx := within(t, 2*time.Minute)
	namespace, token, err := posthorn.Tenant(ctx)
	must(t, err)
	f := &fleet{
		namespace: namespace, receiver: newReceiver(t), latency: latency, accepted: map[string]int{},
		producer: platform.Producer{Address: ingest, Namespace: namespace, Token: token},
	}
	for i := range fleetSize {
		f.create(ctx, t, i)
	}
	must(t, posthorn.AwaitSubscriptions(ctx, namespace, "all are Ready", platform.IsReady))
	for i := range fleetSize {
		key, err := posthorn.SigningKey(ctx, namespace, endpointName(i))
		must(t, err)
		must(t, f.receiver.Expect(endpointName(i), key))
	}
	return f
}

// endpointName is the name of an endpoint, and of its subscription.
func endpointName(i int) string { return fmt.Sprintf("e%02d", i) }

// kind is the type of the events of a number.
func kind(i int) string { return fmt.Sprintf("com.example.kind%02d", i) }

// eventID is the id of the event of a number; ids are in the order of the numbers.
func eventID(i int) string { return fmt.Sprintf("event-%06d", i) }

// create makes an endpoint and its subscription.
func (f *fleet) create(ctx context.Context, t *testing.T, i int) {
	t.Helper()
	name, m := endpointName(i), manners(i)
	f.receiver.Answer(name, f.answer(m))
	endpoint := &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: name},
		Spec:       hookv1.WebhookEndpointSpec{URL: hookv1.URL(f.receiver.URL(name)), Concurrency: 4},
	}
	if m == suspended {
		endpoint.Spec.Suspend = new(true)
	}
	must(t, posthorn.Admin.Create(ctx, endpoint))
	subscription := &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: name},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: hookv1.ObjectName(name)},
			EventTypes:  []hookv1.EventTypePattern{hookv1.EventTypePattern(kind(i % fleetKinds))},
		},
	}
	if m == refusing {
		subscription.Spec.Retry = &hookv1.Retry{GiveUpOn: []hookv1.FailureStatus{http.StatusUnprocessableEntity}}
	}
	must(t, posthorn.Admin.Create(ctx, subscription))
}

// answer is how a receiver of that manner answers.
func (f *fleet) answer(m manner) recorder.Answer {
	wait := func() time.Duration { return rand.N(f.latency + 1) }
	well := recorder.Status(http.StatusOK, wait)
	return func(w http.ResponseWriter, r *http.Request, got recorder.Request, n int) int {
		switch {
		case m == flaky && n%3 == 0:
			return recorder.Status(http.StatusInternalServerError, wait)(w, r, got, n)
		case m == hanging && n%10 == 0:
			<-r.Context().Done()
			return 0
		case m == down && !f.repaired.Load():
			return recorder.Status(http.StatusServiceUnavailable, nil)(w, r, got, n)
		case m == refusing && refused(got.Event):
			return recorder.Status(http.StatusUnprocessableEntity, wait)(w, r, got, n)
		}
		return well(w, r, got, n)
	}
}

// refused reports whether refusing endpoints refuse an event.
func refused(event string) bool { return strings.HasSuffix(event, "7") }

// repair has the endpoints that are down or suspended work from now on.
func (f *fleet) repair(ctx context.Context, t *testing.T) {
	t.Helper()
	f.repaired.Store(true)
	for i := range fleetSize {
		if manners(i) != suspended {
			continue
		}
		endpoint := &hookv1.WebhookEndpoint{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: endpointName(i)}}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"suspend":false}}`))
		must(t, posthorn.Admin.Patch(ctx, endpoint, patch))
	}
}

// post has events accepted, some one by one and some in batches, by several producers. It returns when all of
// them are.
func (f *fleet) post(ctx context.Context, t *testing.T, first, n int, pace time.Duration) {
	t.Helper()
	const producers, batch = 4, 10
	numbers := make(chan int)
	var all sync.WaitGroup
	for range producers {
		all.Go(func() {
			for i := range numbers {
				size := min(batch, first+n-i)
				for from := i; from < i+size; {
					count := 1
					if from > i+size/2 {
						count = i + size - from
					}
					if err := f.accept(ctx, from, count); err != nil {
						t.Error(err)
						return
					}
					from += count
				}
			}
		})
	}
	defer all.Wait()
	defer close(numbers)
	for i := first; i < first+n; i += batch {
		select {
		case numbers <- i:
		case <-ctx.Done():
			return
		}
		if pace > 0 {
			time.Sleep(pace)
		}
	}
}

// accept posts some events in one request until they are accepted.
func (f *fleet) accept(ctx context.Context, from, count int) error {
	events := make([]platform.Event, count)
	for j := range events {
		i := from + j
		events[j] = platform.Event{ID: eventID(i), Type: kind(i % fleetKinds)}
	}
	requests, err := f.producer.Post(ctx, events...)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.repeated += requests - 1
	for j, e := range events {
		f.accepted[e.ID] = (from + j) % fleetKinds
	}
	return nil
}
