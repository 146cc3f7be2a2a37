// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/internal/testkit/ports"
	"github.com/posthorn-dev/posthorn/internal/testkit/recorder"
)

// badAnswers are the ways in which a bad neighbour answers; one that refuses connections has no server at all.
var badAnswers = map[string]recorder.Answer{
	"hangs": func(_ http.ResponseWriter, r *http.Request, _ recorder.Request, _ int) int {
		<-r.Context().Done()
		return 0
	},
	"trickle": trickle,
	"flood":   flood,
}

// trickle answers byte by byte, and never comes to an end.
func trickle(w http.ResponseWriter, r *http.Request, _ recorder.Request, _ int) int {
	w.WriteHeader(http.StatusOK)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-r.Context().Done():
			return 0
		case <-ticker.C:
			if _, err := w.Write([]byte("x")); err != nil {
				return 0
			}
			_ = http.NewResponseController(w).Flush() // fails when nobody reads any more
		}
	}
}

// flood answers 503 with 100 MB.
func flood(w http.ResponseWriter, _ *http.Request, _ recorder.Request, _ int) int {
	w.WriteHeader(http.StatusServiceUnavailable)
	block := []byte(strings.Repeat("flood ", 1<<16/6))
	for sent := 0; sent < 100<<20; sent += len(block) {
		if _, err := w.Write(block); err != nil {
			break
		}
	}
	return 0
}

const (
	// perManner is how many endpoints of each bad manner there are, and as many healthy ones beside all of them.
	perManner = 2
	// neighbourBody is how large the data of an event is. A copy in memory of each event in the backlog shows, even
	// one that all its deliveries share.
	neighbourBody = 64 << 10
	// engineBytes is what memory may hold for one event and its waiting deliveries: what the engine keeps of
	// each message (about 150 bytes), the dispatcher of each waiting delivery (32) and ingest of each event.
	engineBytes = 512
	// engineCache is what the engine keeps of what it wrote or read last: a block of 8 MiB of each stream, here that of
	// the events and that of the waiting deliveries. It does not grow with them. More blocks stay for some seconds
	// after they were used.
	engineCache = 2 * 8 << 20
)

// TestNeighbours_AreNotHarmed has half of the endpoints misbehave, for good. NEIGHBOUR_EVENTS sets how many
// events there are at first; three times as many follow.
func TestNeighbours_AreNotHarmed(t *testing.T) {
	n := fromEnvironment(t, "NEIGHBOUR_EVENTS", 250)
	ctx := within(t, 10*time.Minute)
	// A small GOGC has the heap follow what is alive.
	// Each waiting delivery is stored with its event: there must be room for all of them.
	d := newDispatcher(t, platform.DispatcherOptions{
		Env: []string{"GOGC=10"}, Config: strings.Replace(configuration, "maxBytes: 2Gi", "maxBytes: 8Gi", 1),
	})
	must(t, d.Start())
	startOperator(t, nil)
	s := newStreet(ctx, t, d.Ingest)

	s.post(ctx, t, n)
	small := s.settle(ctx, t, d, n)
	s.post(ctx, t, 3*n)
	large := s.settle(ctx, t, d, 4*n)

	more := large.waiting - small.waiting
	grown := large.heap - small.heap
	t.Logf("%d deliveries wait: heap %d KiB, resident %d KiB", small.waiting, small.heap>>10, small.resident>>10)
	t.Logf("%d deliveries wait: heap %d KiB, resident %d KiB", large.waiting, large.heap>>10, large.resident>>10)
	t.Logf("%d bytes of heap for each that came to wait, with events of %d bytes", grown/int64(max(more, 1)), neighbourBody)
	if more < n {
		t.Errorf("%d more deliveries wait, want more than %d: the bad neighbours were not bad", more, n)
	}
	if large.unaccounted != 0 {
		t.Errorf("%v deliveries are unaccounted for", large.unaccounted)
	}
	allowed := int64(more)*engineBytes + engineCache
	if copies := int64(3*n) * neighbourBody; copies < 2*allowed {
		t.Errorf("the bound of %d bytes does not tell that all events are kept, which takes %d: too few events", allowed, copies)
	}
	if grown > allowed {
		t.Errorf("the heap grew by %d bytes for %d more waiting deliveries, want %d at most", grown, more, allowed)
	}
}

// leastHeap is the least that lies on a dispatcher's heap until it falls no more: the nearest to what is alive. The
// engine lets go of a block ten seconds after it was used, and a collection then has to come.
func leastHeap(ctx context.Context, t *testing.T, d *platform.Dispatcher) int64 {
	t.Helper()
	least := heapBytes(ctx, t, d)
	for fell := time.Now(); time.Since(fell) < 12*time.Second; pause(ctx, 50*time.Millisecond) {
		if heap := heapBytes(ctx, t, d); heap < least {
			if heap < least*99/100 {
				fell = time.Now()
			}
			least = heap
		}
	}
	return least
}

// heapBytes is what lies on a dispatcher's heap, garbage among it.
func heapBytes(ctx context.Context, t *testing.T, d *platform.Dispatcher) int64 {
	t.Helper()
	values, err := d.ReadMetrics(ctx)
	must(t, err)
	return int64(values["go_memstats_heap_alloc_bytes"])
}

// street is a tenant of which one half of the endpoints is bad, and all want the same events.
type street struct {
	producer  platform.Producer
	receiver  *recorder.Recorder
	healthy   []string
	mu        sync.Mutex
	delivered map[string]int
	posted    int
}

func newStreet(ctx context.Context, t *testing.T, ingest string) *street {
	t.Helper()
	namespace, token, err := posthorn.Tenant(ctx)
	must(t, err)
	s := &street{
		receiver: newReceiver(t), delivered: map[string]int{},
		producer: platform.Producer{Address: ingest, Namespace: namespace, Token: token},
	}
	refuses := closedAddress(t)
	for i := range perManner {
		for manner, answer := range badAnswers {
			name := fmt.Sprintf("%s-%d", manner, i)
			s.receiver.Answer(name, answer)
			subscribe(ctx, t, namespace, name, s.receiver.URL(name))
		}
		name := fmt.Sprintf("refuses-%d", i)
		subscribe(ctx, t, namespace, name, "http://"+refuses+"/"+name)
	}
	for i := range perManner * (len(badAnswers) + 1) {
		name := fmt.Sprintf("healthy-%d", i)
		s.healthy = append(s.healthy, name)
		subscribe(ctx, t, namespace, name, s.receiver.URL(name))
	}
	s.receiver.Watch(func(q recorder.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if q.Status == http.StatusOK {
			s.delivered[q.Endpoint]++
		}
	})
	must(t, posthorn.AwaitSubscriptions(ctx, namespace, "all are Ready", platform.IsReady))
	return s
}

// subscribe makes an endpoint, and a subscription to all events.
func subscribe(ctx context.Context, t *testing.T, namespace, name, url string) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	must(t, posthorn.Admin.Create(ctx, &hookv1.WebhookEndpoint{
		ObjectMeta: meta, Spec: hookv1.WebhookEndpointSpec{URL: hookv1.URL(url)},
	}))
	must(t, posthorn.Admin.Create(ctx, &hookv1.WebhookSubscription{
		ObjectMeta: meta,
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: hookv1.ObjectName(name)}, EventTypes: []hookv1.EventTypePattern{"*"},
		},
	}))
}

// closedAddress is an address that nothing listens at.
func closedAddress(t *testing.T) string {
	t.Helper()
	address, err := ports.Address()
	must(t, err)
	return address
}

// post has n more events accepted.
func (s *street) post(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	data, err := json.Marshal(strings.Repeat("x", neighbourBody))
	must(t, err)
	for i := s.posted; i < s.posted+n; i++ {
		_, err := s.producer.Post(ctx, platform.Event{ID: fmt.Sprintf("event-%06d", i), Type: "com.example.news", Data: data})
		must(t, err)
	}
	s.posted += n
}

// memory is what a dispatcher takes.
type memory struct {
	waiting        int
	heap, resident int64
	unaccounted    float64
}

// settle waits until every healthy endpoint has got n events and all else waits in storage, and measures.
func (s *street) settle(ctx context.Context, t *testing.T, d *platform.Dispatcher, n int) memory {
	t.Helper()
	must(t, platform.Await(ctx, "the healthy half has got everything", func(context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, name := range s.healthy {
			if got := s.delivered[name]; got < n {
				return fmt.Errorf("%s got %d of %d", name, got, n)
			}
		}
		return nil
	}))
	var m memory
	must(t, platform.Await(ctx, "the rest waits in storage", func(ctx context.Context) error {
		values, err := d.ReadMetrics(ctx)
		if err != nil {
			return err
		}
		inMemory := values[`posthorn_dispatcher_pending_deliveries{where="memory"}`]
		m.waiting = int(values[`posthorn_dispatcher_pending_deliveries{where="storage"}`])
		off, ok := values["posthorn_unaccounted_deliveries"]
		if m.unaccounted = off; !ok {
			return errors.New("the metrics do not say what is unaccounted for")
		}
		if inMemory > 100 {
			return fmt.Errorf("%v deliveries are in memory", inMemory)
		}
		return nil
	}))
	m.heap = leastHeap(ctx, t, d)
	m.resident = d.ResidentBytes()
	return m
}
