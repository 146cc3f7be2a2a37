// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"math"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

func TestAdopt_FindsWhatWasStoredWithoutAnAcknowledgement(t *testing.T) {
	s := start(t, nil)
	stored := func(kind delivery.Kind) *delivery.Stored {
		return &delivery.Stored{
			EventSeq: 7, Kind: kind, Subscription: delivery.Name{Namespace: "team-a", Name: "orders"},
			Endpoint: delivery.Name{Namespace: "team-a", Name: "billing"}, AcceptedAt: time.Now(), Event: []byte("event"),
		}
	}
	ops := func() []*op {
		return []*op{
			{store: stored(delivery.KindEvent)},
			{dead: stored(delivery.KindEvent), forward: stored(delivery.KindDeadLetter)},
		}
	}
	first, again, c := ops(), ops(), &checkpoint{}
	if err := s.d.storeAll(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := s.d.adopt(t.Context(), c, again); err != nil {
		t.Fatal(err)
	}
	if err := s.d.storeAll(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if got, want := again[0].storeSeq, first[0].storeSeq; got != want {
		t.Errorf("waiting delivery is %d, want %d", got, want)
	}
	if got, want := again[1].forwardSeq, first[1].forwardSeq; got != want {
		t.Errorf("forwarded dead letter is %d, want %d", got, want)
	}
	waiting, dead := 0, 0
	if err := s.log.ScanWaiting(t.Context(), 1, math.MaxUint64, func(eventlog.Message) { waiting++ }); err != nil {
		t.Fatal(err)
	}
	if err := s.log.ScanDeadLetters(t.Context(), 1, func(eventlog.Message) { dead++ }); err != nil {
		t.Fatal(err)
	}
	if waiting != 2 || dead != 1 {
		t.Errorf("%d waiting deliveries and %d dead letters are stored, want 2 and 1", waiting, dead)
	}
}
