// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/internal/testkit/recorder"
	"github.com/posthorn-dev/posthorn/internal/testkit/smalldisk"
)

const (
	// diskSize is the file system that holds the data directory, and diskBody the data of an event in it: some
	// thousand fill it.
	diskSize = 64 << 20
	diskBody = 16 << 10
	// diskBatch is how many events a batch has.
	diskBatch = 10
)

// TestFullDisk_GoesOnWhenThereIsRoom fills the file system of a dispatcher's data while events come in for an endpoint
// that is down. The same process goes on when there is room.
func TestFullDisk_GoesOnWhenThereIsRoom(t *testing.T) {
	smalldisk.Run(t, diskSize, func(t *testing.T, disk smalldisk.Disk) {
		ctx := within(t, 4*time.Minute)
		h := newHarbour(ctx, t, disk)
		h.post(ctx, t, 20)
		refused := make(chan error, 1)
		go func() { refused <- h.postUntil(ctx, 50) }()
		h.awaitAccepted(ctx, t, 300)
		disk.Fill(t)
		must(t, <-refused)
		h.checkRefused(ctx, t)
		t.Logf("filled in the middle of a stream: %s", h)

		h.receiver.Answer(harbourEndpoint, nil) // what comes of deliveries cannot be stored at first
		disk.Empty(t)
		h.goesOn(ctx, t)
		if !h.dispatcher.Running() {
			t.Error("the dispatcher has ended")
		}
		h.outlivesAKill(ctx, t)
	})
}

// TestFullDisk_KilledLosesNothing has events fill the room that they may take, and others the rest; kills the
// dispatcher, and starts it again before there is room.
func TestFullDisk_KilledLosesNothing(t *testing.T) {
	smalldisk.Run(t, diskSize, func(t *testing.T, disk smalldisk.Disk) {
		ctx := within(t, 4*time.Minute)
		h := newHarbour(ctx, t, disk)
		must(t, h.postUntil(ctx, 10))
		t.Logf("filled by events alone: %s", h)
		disk.Fill(t)
		h.checkRefused(ctx, t)
		h.dispatcher.Kill()
		disk.Fill(t) // what the dispatcher gave back meanwhile
		must(t, h.dispatcher.Start())
		must(t, platform.Await(ctx, "it waits for room", func(context.Context) error {
			if log := h.dispatcher.Tail(100); !strings.Contains(log, "cannot be opened without room") {
				return fmt.Errorf("it logs %s", log)
			}
			return nil
		}))
		h.checkRefused(ctx, t)

		disk.Empty(t)
		h.receiver.Answer(harbourEndpoint, nil)
		h.goesOn(ctx, t)
		h.outlivesAKill(ctx, t)
	})
}

// harbourConfiguration is configuration with retries that outlast the time for which the endpoint is down, on a machine
// however busy.
var harbourConfiguration = `
egress: {allow: [127.0.0.1]}
defaults:
  timeout: 2s
  circuitBreaker: {failureThreshold: 5, openDuration: 1s, maxOpenDuration: 2s}
  retry: {delays: [100ms, 1s` + strings.Repeat(", 5s", 48) + `]}
storage: {maxBytes: 2Gi, namespaceShare: 100%}
`

// harbourEndpoint is the one endpoint of a harbour, and of its subscription.
const harbourEndpoint = "quay"

// harbour is a dispatcher on a small disk, with a tenant whose endpoint is down.
type harbour struct {
	dispatcher *platform.Dispatcher
	receiver   *recorder.Recorder
	producer   platform.Producer

	mu sync.Mutex
	// next is the number of the next event. All before were posted.
	next int
	// accepted says of each event that was posted whether it was accepted.
	accepted map[int]bool
	// taken and refused count requests.
	taken, refused int
}

func newHarbour(ctx context.Context, t *testing.T, disk smalldisk.Disk) *harbour {
	t.Helper()
	h := &harbour{receiver: newReceiver(t), accepted: map[int]bool{}}
	h.dispatcher = newDispatcher(t, platform.DispatcherOptions{
		Config: harbourConfiguration, DataDir: filepath.Join(disk.Dir, "data"),
	})
	must(t, h.dispatcher.Start())
	startOperator(t, nil)
	namespace, token, err := posthorn.Tenant(ctx)
	must(t, err)
	h.producer = platform.Producer{Address: h.dispatcher.Ingest, Namespace: namespace, Token: token}
	h.receiver.Answer(harbourEndpoint, recorder.Status(http.StatusServiceUnavailable, nil))
	subscribe(ctx, t, namespace, harbourEndpoint, h.receiver.URL(harbourEndpoint))
	must(t, posthorn.AwaitSubscriptions(ctx, namespace, "it is Ready", platform.IsReady))
	key, err := posthorn.SigningKey(ctx, namespace, harbourEndpoint)
	must(t, err)
	must(t, h.receiver.Expect(harbourEndpoint, key))
	return h
}

// cargo is the data of the event of a number.
func cargo(i int) json.RawMessage {
	return fmt.Appendf(nil, `{"number":%d,"cargo":%q}`, i, strings.Repeat(string(rune('a'+i%26)), diskBody))
}

// cargoes are n events from a number on.
func cargoes(from, n int) []platform.Event {
	events := make([]platform.Event, n)
	for i := range events {
		events[i] = platform.Event{ID: eventID(from + i), Type: "com.example.cargo", Data: cargo(from + i)}
	}
	return events
}

// try posts so many new events in one request, and returns the answer: that they are accepted, or 503.
func (h *harbour) try(ctx context.Context, n int) (platform.Answer, error) {
	h.mu.Lock()
	from := h.next
	h.next += n
	h.mu.Unlock()
	answer, err := h.producer.Try(ctx, cargoes(from, n)...)
	if err != nil {
		return answer, err
	}
	ok := answer.Status == http.StatusAccepted
	if !ok && answer.Status != http.StatusServiceUnavailable {
		return answer, fmt.Errorf("events are answered %d: %s", answer.Status, answer.Body)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := from; i < from+n; i++ {
		h.accepted[i] = ok
	}
	if ok {
		h.taken++
	} else {
		h.refused++
	}
	return answer, nil
}

// postUntil posts events one by one and in batches until so many requests in a row were refused.
func (h *harbour) postUntil(ctx context.Context, refused int) error {
	for row, i := 0, 0; row < refused; i++ {
		n := 1
		if i%2 == 1 {
			n = diskBatch
		}
		answer, err := h.try(ctx, n)
		if err != nil {
			return err
		}
		if row++; answer.Status == http.StatusAccepted {
			row = 0
		}
	}
	return nil
}

// post has n new events accepted, in batches.
func (h *harbour) post(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	h.mu.Lock()
	from := h.next
	h.next += n
	h.mu.Unlock()
	for i := from; i < from+n; i += diskBatch {
		h.accept(ctx, t, i, min(diskBatch, from+n-i))
	}
}

// accept posts events until they are accepted.
func (h *harbour) accept(ctx context.Context, t *testing.T, from, n int) {
	t.Helper()
	_, err := h.producer.Post(ctx, cargoes(from, n)...)
	must(t, err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken++
	for i := from; i < from+n; i++ {
		h.accepted[i] = true
	}
}

// awaitAccepted waits until so many events are accepted.
func (h *harbour) awaitAccepted(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	must(t, platform.Await(ctx, "events are accepted", func(context.Context) error {
		if got, _ := h.counts(); got < n {
			return fmt.Errorf("%d of %d are", got, n)
		}
		return nil
	}))
}

// counts are how many events were accepted, and how many posted.
func (h *harbour) counts() (accepted, posted int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ok := range h.accepted {
		if ok {
			accepted++
		}
	}
	return accepted, len(h.accepted)
}

// String tells how it stands.
func (h *harbour) String() string {
	accepted, posted := h.counts()
	return fmt.Sprintf("%d of %d events accepted, in %d requests, %d refused", accepted, posted, h.taken, h.refused)
}

// checkRefused fails the test unless events are refused, alone and in a batch, as ingest documents it.
func (h *harbour) checkRefused(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, n := range []int{1, diskBatch} {
		answer, err := h.try(ctx, n)
		must(t, err)
		var said struct {
			Type, Title, Detail string
			Status              int
		}
		err = json.Unmarshal(answer.Body, &said)
		if answer.Status != http.StatusServiceUnavailable || err != nil || said.Status != answer.Status ||
			said.Type != "https://posthorn.dev/problems/unavailable" || said.Title == "" || said.Detail == "" {
			t.Errorf("%d events on a full disk are answered %d: %s", n, answer.Status, answer.Body)
		}
		if kind := answer.Header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("the answer is %s", kind)
		}
		if after, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || after < 1 {
			t.Errorf("Retry-After is %q, want seconds", answer.Header.Get("Retry-After"))
		}
	}
}

// goesOn has all that was refused accepted, and more, and checks that every event has arrived as it was posted and is
// accounted for.
func (h *harbour) goesOn(ctx context.Context, t *testing.T) {
	t.Helper()
	must(t, h.dispatcher.AwaitReady(ctx))
	for i := range h.next {
		if !h.accepted[i] {
			h.accept(ctx, t, i, 1)
		}
	}
	h.post(ctx, t, 50)
	h.checkAll(ctx, t)
}

// outlivesAKill starts the dispatcher again, and checks the same.
func (h *harbour) outlivesAKill(ctx context.Context, t *testing.T) {
	t.Helper()
	h.dispatcher.Kill()
	must(t, h.dispatcher.Start())
	must(t, h.dispatcher.AwaitReady(ctx))
	h.post(ctx, t, 10)
	h.checkAll(ctx, t)
	t.Logf("in the end: %s; %d requests to the endpoint", h, h.receiver.Len())
}

// checkAll waits until every event has arrived and is accounted for.
func (h *harbour) checkAll(ctx context.Context, t *testing.T) {
	t.Helper()
	must(t, platform.Await(ctx, "every event has arrived", func(context.Context) error { return h.arrived() }))
	must(t, awaitDrained(ctx, h.dispatcher))
	all := int64(h.next)
	checkBooks(ctx, t, h.producer.Namespace, figures{matched: all, delivered: all})
	newLedger(h.receiver.Requests()).checkRequests(t)
}

// arrived returns an error unless every event has been delivered as it was posted.
func (h *harbour) arrived() error {
	l := newLedger(h.receiver.Requests())
	var wrong []error
	for i := range h.next {
		got := l.delivered[[2]string{harbourEndpoint, eventID(i)}]
		switch {
		case len(got) == 0:
			wrong = append(wrong, fmt.Errorf("%s has not arrived", eventID(i)))
		case got[0].DataSum != sha256.Sum256(cargo(i)):
			wrong = append(wrong, fmt.Errorf("%s has arrived with other data", eventID(i)))
		}
	}
	if more := len(l.delivered) - h.next; more > 0 {
		wrong = append(wrong, fmt.Errorf("%d events have arrived that nobody posted", more))
	}
	if len(wrong) > 5 {
		wrong = append(wrong[:5], fmt.Errorf("%d more", len(wrong)-5))
	}
	return errors.Join(wrong...)
}
