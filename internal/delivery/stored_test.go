// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/payload"
	"github.com/posthorn-dev/posthorn/internal/retry"
	"github.com/posthorn-dev/posthorn/internal/wire"
)

var (
	at    = time.Date(2026, 11, 23, 12, 0, 0, 5, time.UTC)
	names = []delivery.Name{{Namespace: "team-a", Name: "orders"}, {Namespace: "platform", Name: "billing"}}
)

// stored is a delivery with a value in every field.
var stored = delivery.Stored{
	EventSeq: 7, Subscription: names[0], Kind: delivery.KindDeadLetter, Endpoint: names[1], Attempts: 3, AcceptedAt: at,
	Due: at.Add(time.Second), InFlight: true, LastReason: delivery.ReasonStatus5xx, LastStatus: 503,
	LastTime: at.Add(time.Minute), DeadLetter: delivery.DeadExpired, DeadAt: at.Add(time.Hour), DeadEndpoint: names[1],
	DeadAttempts: 9, Event: []byte("event"),
}

func TestStored_ReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	b := wire.AppendString(stored.Append(nil), 4000, "of a later release")
	got, err := delivery.DecodeStored(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&stored, got); diff != "" {
		t.Error(diff)
	}
}

func TestStored_RefusesAnUnknownVersion(t *testing.T) {
	t.Parallel()
	if _, err := delivery.DecodeStored(wire.AppendVersion(nil, 99)); !errors.Is(err, wire.ErrVersion) {
		t.Errorf("error %v, want ErrVersion", err)
	}
}

func TestRecord_ReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	want := delivery.Record{
		EventSeq: 7, Subscription: names[0], Kind: delivery.KindDeadLetter, Endpoint: names[1], EventID: "e", EventType: "t",
		DeliveryID: "msg_1", First: true, Attempt: 2, Attempted: true, Time: at, Duration: time.Second,
		Outcome: delivery.OutcomeRetry, StatusCode: 500, Reason: delivery.ReasonStatus5xx, Message: "m", Response: "r",
		DeadLetter: delivery.DeadGaveUp, NextAttempt: at.Add(time.Hour),
	}
	got, err := delivery.DecodeRecord(wire.AppendUint(want.Append(nil), 4000, 1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzDecodeStored feeds whatever may be found on a disk.
func FuzzDecodeStored(f *testing.F) {
	whole := stored.Append(nil)
	f.Add(whole)
	f.Add(whole[:9])
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := delivery.DecodeStored(b)
		if err != nil {
			return
		}
		again, err := delivery.DecodeStored(first.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		// Numbers and times that this package never writes are outside the promise.
		if first.EventSeq != again.EventSeq || first.Subscription != again.Subscription ||
			first.Endpoint != again.Endpoint || !bytes.Equal(first.Event, again.Event) {
			t.Error("a delivery that was read is not what is written again")
		}
	})
}

func TestID_StaysWhatItIs(t *testing.T) {
	t.Parallel()
	e := &event.Event{Namespace: "team-a", Source: "/shop", ID: "1"}
	first := delivery.ID(e, names[0], delivery.KindEvent)
	if want := "msg_8117f0690181db2b0849a90ed3e3cdb9"; first != want {
		t.Errorf("ID() = %s, want %s: receivers deduplicate by it across releases", first, want)
	}
	seen := map[string]bool{first: true}
	for name, id := range map[string]string{
		"another subscription": delivery.ID(e, names[1], delivery.KindEvent),
		"a dead letter":        delivery.ID(e, names[0], delivery.KindDeadLetter),
		"another event":        delivery.ID(&event.Event{Namespace: "team-a", Source: "/sho", ID: "p1"}, names[0], delivery.KindEvent),
	} {
		if seen[id] {
			t.Errorf("%s has the id of another delivery", name)
		}
		seen[id] = true
	}
}

func TestDecide_FollowsTheResponse(t *testing.T) {
	t.Parallel()
	policy := &retry.Policy{GiveUpOn: []int{422}}
	dead := func(r delivery.DeadLetterReason) delivery.Decision {
		return delivery.Decision{Outcome: delivery.OutcomeDeadLettered, DeadLetter: r}
	}
	gone := dead(delivery.DeadEndpointDisabled)
	gone.Disable = true
	tests := map[string]struct {
		status  int
		reason  delivery.FailureReason
		retries bool
		want    delivery.Decision
		verdict breaker.Verdict
	}{
		"a success":               {200, delivery.ReasonNone, true, delivery.Decision{Outcome: delivery.OutcomeDelivered}, breaker.Success},
		"a failure with retries":  {500, delivery.ReasonStatus5xx, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Failure},
		"the last failure":        {500, delivery.ReasonStatus5xx, false, dead(delivery.DeadRetriesExhausted), breaker.Failure},
		"a status to give up on":  {422, delivery.ReasonStatus4xx, true, dead(delivery.DeadGaveUp), breaker.Neutral},
		"gone":                    {410, delivery.ReasonGone, true, gone, breaker.Failure},
		"no body":                 {0, delivery.ReasonPayload, true, dead(delivery.DeadPayloadFailed), breaker.Neutral},
		"no answer":               {0, delivery.ReasonTimeout, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Failure},
		"a caller unknown":        {401, delivery.ReasonStatus4xx, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Failure},
		"a refusal of the caller": {403, delivery.ReasonStatus4xx, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Failure},
		"nothing there":           {404, delivery.ReasonStatus4xx, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Failure},
		"about the event":         {400, delivery.ReasonStatus4xx, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Neutral},
		"an event too large":      {413, delivery.ReasonStatus4xx, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Neutral},
		"a type not taken":        {415, delivery.ReasonStatus4xx, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Neutral},
		"a wish for a pause":      {429, delivery.ReasonRateLimited, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Neutral},
		"a blocked address":       {0, delivery.ReasonBlocked, true, delivery.Decision{Outcome: delivery.OutcomeRetry}, breaker.Neutral},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &delivery.Response{StatusCode: tt.status, Reason: tt.reason}
			if diff := cmp.Diff(tt.want, delivery.Decide(r, policy, tt.retries)); diff != "" {
				t.Error(diff)
			}
			if got := r.Verdict(); got != tt.verdict {
				t.Errorf("Verdict() = %s, want %s", got, tt.verdict)
			}
		})
	}
}

func TestNewRequest_LetsPosthornsHeadersWin(t *testing.T) {
	t.Parallel()
	e := &delivery.Endpoint{Header: []delivery.HeaderField{{Name: "x-tenant", Value: "a"}, {Name: "content-type", Value: "text/html"}}}
	body := &payload.Body{Header: http.Header{"Content-Type": {"application/json"}}, Data: []byte("{}")}
	r := delivery.NewRequest(e, body, "msg_1", at, []delivery.HeaderField{{Name: delivery.HeaderDeadLetterReason, Value: "Expired"}})
	want := http.Header{"X-Tenant": {"a"}, "Content-Type": {"application/json"}, delivery.HeaderDeadLetterReason: {"Expired"}}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Error(diff)
	}
	if len(body.Header) != 1 {
		t.Error("the shared headers of the body were changed")
	}
}
