// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/internal/testkit/recorder"
)

// TestOutage_DeliversWithoutTheAPIServer stops etcd and the API server. OUTAGE_SECONDS says for how long.
func TestOutage_DeliversWithoutTheAPIServer(t *testing.T) {
	outage := time.Duration(fromEnvironment(t, "OUTAGE_SECONDS", 5)) * time.Second
	ctx := within(t, outage+4*time.Minute)
	d := newDispatcher(t, platform.DispatcherOptions{})
	must(t, d.Start())
	startOperator(t, nil)
	s := newSmallTown(ctx, t, d.Ingest)
	must(t, s.post(ctx, 50)) // the producer's token is known from here on

	stopAPIServer(t)
	begin := time.Now()
	for time.Since(begin) < outage*2/3 {
		must(t, s.post(ctx, 10))
		pause(ctx, 100*time.Millisecond)
	}
	s.receiver.Answer("down", nil) // a circuit closes while nobody can write it down
	for time.Since(begin) < outage {
		must(t, s.post(ctx, 10))
		pause(ctx, 100*time.Millisecond)
	}
	must(t, platform.Await(ctx, "all arrived without the API server", func(context.Context) error { return s.complete() }))
	must(t, awaitDrained(ctx, d))
	t.Logf("without the API server for %s: %d events accepted and delivered to %d endpoints in %d requests",
		time.Since(begin).Round(time.Second), s.posted, len(s.endpoints), s.receiver.Len())
	startAPIServer(t)

	total := int64(s.posted * len(s.endpoints))
	checkBooks(ctx, t, s.producer.Namespace, figures{matched: total, delivered: total})
	must(t, posthorn.AwaitSubscriptions(ctx, s.producer.Namespace, "all are Ready again", platform.IsReady))
	must(t, s.post(ctx, 10))
	must(t, platform.Await(ctx, "what came afterwards arrived", func(context.Context) error { return s.complete() }))
}

// TestOutage_TroubleWithTheAPIServerChangesNothing has every third request to the API server answered 429, and
// every third write refused as a conflict.
func TestOutage_TroubleWithTheAPIServerChangesNothing(t *testing.T) {
	ctx := within(t, 4*time.Minute)
	trouble := newTrouble(t)
	d := newDispatcher(t, platform.DispatcherOptions{Proxy: &trouble.Proxy})
	must(t, d.Start())
	startOperator(t, &trouble.Proxy)
	s := newSmallTown(ctx, t, d.Ingest)
	for range 30 {
		must(t, s.post(ctx, 10))
		pause(ctx, 20*time.Millisecond)
	}
	s.receiver.Answer("down", nil)
	must(t, platform.Await(ctx, "all arrived", func(context.Context) error { return s.complete() }))
	must(t, awaitDrained(ctx, d))
	total := int64(s.posted * len(s.endpoints))
	checkBooks(ctx, t, s.producer.Namespace, figures{matched: total, delivered: total})
	throttled, conflicts := trouble.counts()
	t.Logf("%d requests to the API server were answered 429, %d writes were refused as conflicts", throttled, conflicts)
	if throttled == 0 || conflicts == 0 {
		t.Error("there was no trouble")
	}
}

// stopAPIServer ends etcd and the API server until the test ends, or startAPIServer is called.
func stopAPIServer(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { startAPIServer(t) }) // the next test needs it
	must(t, errors.Join(posthorn.Plane.StopAPIServer(), posthorn.Plane.StopEtcd()))
}

func startAPIServer(t *testing.T) {
	t.Helper()
	must(t, errors.Join(posthorn.Plane.StartEtcd(), posthorn.Plane.StartAPIServer()))
}

// smallTown is a tenant with a few endpoints that all want the same events: one that is well, one that fails
// now and then, and one that is down.
type smallTown struct {
	producer  platform.Producer
	receiver  *recorder.Recorder
	endpoints []string
	posted    int
}

func newSmallTown(ctx context.Context, t *testing.T, ingest string) *smallTown {
	t.Helper()
	namespace, token, err := posthorn.Tenant(ctx)
	must(t, err)
	s := &smallTown{
		receiver: newReceiver(t), endpoints: []string{"well", "flaky", "down"},
		producer: platform.Producer{Address: ingest, Namespace: namespace, Token: token},
	}
	s.receiver.Answer("down", recorder.Status(http.StatusServiceUnavailable, nil))
	s.receiver.Answer("flaky", func(w http.ResponseWriter, r *http.Request, got recorder.Request, n int) int {
		if n%3 == 0 {
			return recorder.Status(http.StatusInternalServerError, nil)(w, r, got, n)
		}
		return recorder.Status(http.StatusOK, nil)(w, r, got, n)
	})
	for _, name := range s.endpoints {
		subscribe(ctx, t, namespace, name, s.receiver.URL(name))
	}
	must(t, posthorn.AwaitSubscriptions(ctx, namespace, "all are Ready", func(x *hookv1.WebhookSubscription) error {
		return platform.IsReady(x)
	}))
	for _, name := range s.endpoints {
		key, err := posthorn.SigningKey(ctx, namespace, name)
		must(t, err)
		must(t, s.receiver.Expect(name, key))
	}
	return s
}

// post has n more events accepted, one by one.
func (s *smallTown) post(ctx context.Context, n int) error {
	for range n {
		_, err := s.producer.Post(ctx, platform.Event{ID: fmt.Sprintf("event-%06d", s.posted), Type: "com.example.news"})
		if err != nil {
			return err
		}
		s.posted++
	}
	return nil
}

// complete returns an error unless every endpoint has got every event.
func (s *smallTown) complete() error {
	l := newLedger(s.receiver.Requests())
	for _, q := range l.requests {
		if q.Verified != nil {
			return fmt.Errorf("a request to %s with %s: %w", q.Endpoint, q.Event, q.Verified)
		}
	}
	got := map[string]int{}
	for pair := range l.delivered {
		got[pair[0]]++
	}
	for _, name := range s.endpoints {
		if got[name] != s.posted {
			return fmt.Errorf("%s got %d of %d events", name, got[name], s.posted)
		}
	}
	return nil
}
