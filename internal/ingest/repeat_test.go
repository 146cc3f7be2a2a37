// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/ingest"
)

func TestHandler_StoresASourceAndIDOnce(t *testing.T) {
	l := openLog(t, eventlog.Options{})
	h := newHandler(t, ingest.Options{Log: l})
	send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusAccepted)

	repeated := send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusAccepted)
	if repeated.Accepted != 0 || repeated.Duplicates != 1 || !repeated.replayed() {
		t.Errorf("accepted %d, duplicates %d, replayed %t", repeated.Accepted, repeated.Duplicates, repeated.replayed())
	}
	changed := send(t, h, request{body: strings.Replace(orderPlaced("1"), "12", "13", 1)}).want(t, http.StatusAccepted)
	if !changed.replayed() {
		t.Error("the same source and id with other data is no repetition")
	}
	send(t, h, request{path: "/v1/namespaces/team-b/events", body: orderPlaced("1")}).want(t, http.StatusAccepted)
	send(t, h, request{body: strings.Replace(orderPlaced("1"), "/shop", "/shop2", 1)}).want(t, http.StatusAccepted)
	if n := len(storedEvents(t, l)); n != 3 {
		t.Errorf("%d events stored, want 3: another namespace and another source are other events", n)
	}
}

func TestHandler_StoresWhatIsNewInABatch(t *testing.T) {
	l := openLog(t, eventlog.Options{})
	h := newHandler(t, ingest.Options{Log: l})
	send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusAccepted)
	body := "[" + orderPlaced("1") + "," + orderPlaced("2") + "," + orderPlaced("2") + "]"

	first := send(t, h, request{contentType: batch, body: body}).want(t, http.StatusAccepted)
	if first.Accepted != 1 || first.Duplicates != 2 || first.replayed() {
		t.Errorf("accepted %d, duplicates %d, replayed %t", first.Accepted, first.Duplicates, first.replayed())
	}
	again := send(t, h, request{contentType: batch, body: body}).want(t, http.StatusAccepted)
	if again.Accepted != 0 || again.Duplicates != 3 || !again.replayed() {
		t.Errorf("accepted %d, duplicates %d, replayed %t", again.Accepted, again.Duplicates, again.replayed())
	}
	if n := len(storedEvents(t, l)); n != 2 {
		t.Errorf("%d events stored, want 2", n)
	}
}

func TestHandler_RemembersAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	keyed := request{
		path: path + "/com.example.order.placed", contentType: plain, body: "{}", header: map[string]string{ingest.HeaderKey: "k1"},
	}
	l := openLog(t, eventlog.Options{Dir: dir})
	h := newHandler(t, ingest.Options{Log: l})
	send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusAccepted)
	before := send(t, h, keyed).want(t, http.StatusAccepted)
	l.Close()

	l = openLog(t, eventlog.Options{Dir: dir})
	h = newHandler(t, ingest.Options{Log: l})
	if got := send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusAccepted); !got.replayed() {
		t.Error("source and id were forgotten")
	}
	after := send(t, h, keyed).want(t, http.StatusAccepted)
	if !after.replayed() || after.IDs[0] != before.IDs[0] {
		t.Errorf("replayed %t with id %s, want %s", after.replayed(), after.IDs[0], before.IDs[0])
	}
	keyed.body = "[]"
	send(t, h, keyed).want(t, http.StatusUnprocessableEntity)
	if n := len(storedEvents(t, l)); n != 2 {
		t.Errorf("%d events stored, want 2", n)
	}
}

func TestHandler_KeyBelongsToOneRequest(t *testing.T) {
	keyed := func(r request) request {
		header := map[string]string{ingest.HeaderKey: "order 1: placed"}
		maps.Copy(header, r.header)
		r.header = header
		return r
	}
	typed := path + "/com.example.order.placed"
	first := keyed(request{path: typed, contentType: plain, body: `{"total":12}`})
	cases := map[string]struct {
		request      request
		wantStatus   int
		wantReplayed bool
	}{
		"the same request":    {first, http.StatusAccepted, true},
		"another body":        {keyed(request{path: typed, contentType: plain, body: `{"total":13}`}), http.StatusUnprocessableEntity, false},
		"another type":        {keyed(request{path: typed + "x", contentType: plain, body: `{"total":12}`}), http.StatusUnprocessableEntity, false},
		"another subject":     {keyed(request{path: typed, contentType: plain, body: `{"total":12}`, header: map[string]string{ingest.HeaderSubject: "s"}}), http.StatusUnprocessableEntity, false},
		"a CloudEvent":        {keyed(request{body: orderPlaced("1")}), http.StatusUnprocessableEntity, false},
		"another namespace":   {keyed(request{path: strings.Replace(typed, "team-a", "team-b", 1), contentType: plain, body: `{"total":12}`}), http.StatusAccepted, false},
		"an unrelated header": {keyed(request{path: typed, contentType: plain, body: `{"total":12}`, header: map[string]string{"User-Agent": "other"}}), http.StatusAccepted, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHandler(t, ingest.Options{})
			before := send(t, h, first).want(t, http.StatusAccepted)
			if before.replayed() {
				t.Error("the first request is said to be a repetition")
			}
			got := send(t, h, tc.request).want(t, tc.wantStatus)
			if got.replayed() != tc.wantReplayed {
				t.Errorf("replayed %t, want %t", got.replayed(), tc.wantReplayed)
			}
			if tc.wantReplayed && got.IDs[0] != before.IDs[0] {
				t.Errorf("id %s, want %s", got.IDs[0], before.IDs[0])
			}
		})
	}
}

// keylessLog is the real log, whose keys are lost: as after a crash between the two writes.
type keylessLog struct{ ingest.Log }

func (keylessLog) PutKey(context.Context, string, []byte) error { return eventlog.ErrUnavailable }

func TestHandler_CrashBetweenEventAndKeyStoresNothingTwice(t *testing.T) {
	l := openLog(t, eventlog.Options{})
	r := request{
		path: path + "/com.example.order.placed", contentType: plain, body: "{}", header: map[string]string{ingest.HeaderKey: "k1"},
	}
	send(t, newHandler(t, ingest.Options{Log: keylessLog{l}}), r).want(t, http.StatusServiceUnavailable)
	if got := send(t, newHandler(t, ingest.Options{Log: l}), r).want(t, http.StatusAccepted); !got.replayed() {
		t.Error("the event was taken for a new one")
	}
	if n := len(storedEvents(t, l)); n != 1 {
		t.Errorf("%d events stored, want 1", n)
	}
}

func TestHandler_ConcurrentRepetitionsWaitForTheFirst(t *testing.T) {
	cases := map[string]request{
		"by source and id":    {body: orderPlaced("1")},
		"by Idempotency-Key":  {path: path + "/t", contentType: plain, body: "{}", header: map[string]string{ingest.HeaderKey: "k"}},
		"by both, in a batch": {contentType: batch, body: "[" + orderPlaced("1") + "]", header: map[string]string{ingest.HeaderKey: "k"}},
	}
	for name, r := range cases {
		t.Run(name, func(t *testing.T) {
			l := hold(openLog(t, eventlog.Options{}))
			h := newHandler(t, ingest.Options{Log: l, KeyWait: time.Minute})
			const producers = 8
			replies := make(chan *reply, producers)
			var all sync.WaitGroup
			for range producers {
				all.Go(func() { replies <- send(t, h, r) })
			}
			<-l.started
			l.letGo()
			all.Wait()
			close(replies)
			first := 0
			for got := range replies {
				got.want(t, http.StatusAccepted)
				if !got.replayed() {
					first++
				}
			}
			if first != 1 {
				t.Errorf("%d answers say that the event is new, want 1", first)
			}
			if n := len(storedEvents(t, l)); n != 1 {
				t.Errorf("%d events stored, want 1", n)
			}
		})
	}
}

func TestHandler_BatchesThatOverlapDoNotBlockEachOther(t *testing.T) {
	l := openLog(t, eventlog.Options{})
	h := newHandler(t, ingest.Options{Log: l})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			a, b := orderPlaced("a"), orderPlaced("b")
			if i%2 == 0 {
				a, b = b, a
			}
			if got := send(t, h, request{contentType: batch, body: "[" + a + "," + b + "]"}); got.status != http.StatusAccepted {
				t.Errorf("status %d: %s", got.status, got.refusal.Detail)
			}
		})
	}
	all.Wait()
	if n := len(storedEvents(t, l)); n != 2 {
		t.Errorf("%d events stored, want 2", n)
	}
}

func TestHandler_SecondRequestOfAKeyIsToldThatTheFirstGoesOn(t *testing.T) {
	l := hold(openLog(t, eventlog.Options{}))
	h := newHandler(t, ingest.Options{Log: l, KeyWait: time.Millisecond})
	r := request{path: path + "/t", contentType: plain, body: "{}", header: map[string]string{ingest.HeaderKey: "k"}}
	var first sync.WaitGroup
	first.Go(func() {
		if got := send(t, h, r); got.status != http.StatusAccepted {
			t.Errorf("status %d, want 202", got.status)
		}
	})
	<-l.started
	got := send(t, h, r).want(t, http.StatusConflict)
	if got.refusal.Type != "https://posthorn.dev/problems/request-in-progress" || got.header.Get("Retry-After") == "" {
		t.Errorf("type %s, Retry-After %q", got.refusal.Type, got.header.Get("Retry-After"))
	}
	r.body = "[]"
	send(t, h, r).want(t, http.StatusUnprocessableEntity)
	l.letGo()
	first.Wait()
}

func TestHandler_StoresTheEventOfAProducerThatLeft(t *testing.T) {
	l := hold(openLog(t, eventlog.Options{}))
	h := newHandler(t, ingest.Options{Log: l})
	ctx, leave := context.WithCancel(t.Context())
	var first sync.WaitGroup
	first.Go(func() { h.ServeHTTP(httptest.NewRecorder(), request{body: orderPlaced("1")}.build(ctx)) })
	<-l.started
	leave()
	l.letGo()
	first.Wait()
	if got := send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusAccepted); !got.replayed() {
		t.Error("the event was stored twice")
	}
}

// brokenLog is the real log whose appends fail once.
type brokenLog struct {
	ingest.Log
	once sync.Once
}

func (l *brokenLog) Append(ctx context.Context, namespace string, records [][]byte) ([]uint64, error) {
	var err error
	l.once.Do(func() { err = errors.Join(eventlog.ErrUnavailable) })
	if err == nil {
		return l.Log.Append(ctx, namespace, records)
	}
	// The first record is stored, the others are not.
	seqs, _ := l.Log.Append(ctx, namespace, records[:1])
	return append(seqs, make([]uint64, len(records)-1)...), err
}

func TestHandler_BatchThatWasStoredInPartIsCompletedWhenItIsSentAgain(t *testing.T) {
	l := &brokenLog{Log: openLog(t, eventlog.Options{})}
	h := newHandler(t, ingest.Options{Log: l})
	r := request{contentType: batch, body: "[" + orderPlaced("1") + "," + orderPlaced("2") + "," + orderPlaced("3") + "]"}
	send(t, h, r).want(t, http.StatusServiceUnavailable)
	got := send(t, h, r).want(t, http.StatusAccepted)
	if got.Accepted != 2 || got.Duplicates != 1 {
		t.Errorf("accepted %d, duplicates %d, want 2 and 1", got.Accepted, got.Duplicates)
	}
	if n := len(storedEvents(t, l)); n != 3 {
		t.Errorf("%d events stored, want 3", n)
	}
}
