// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package deliverylog

import (
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// everything is a flush with a value in every field.
func everything() *Flush {
	at := time.Date(2026, 11, 24, 1, 2, 3, 456_789_000, time.UTC)
	return &Flush{
		Floor: 1_000_000, ScanFrom: 900, LastWaiting: 77, LastDeadLetter: 5,
		Records: []delivery.Record{
			{
				EventSeq: 1_000_001, Subscription: delivery.Name{Namespace: "team-a", Name: "orders"}, Kind: delivery.KindEvent,
				Endpoint: delivery.Name{Namespace: "team-a", Name: "billing"}, EventID: "e1", EventType: "com.example.order.created",
				DeliveryID: "msg_8117f0690181db2b0849a90ed3e3cdb9", First: true, Attempt: 1, Attempted: true, Time: at,
				Duration: 12_345 * time.Microsecond, Outcome: delivery.OutcomeRetry, StatusCode: 503, Reason: delivery.ReasonStatus5xx,
				Message: "the endpoint answered 503", Response: "busy", NextAttempt: at.Add(5 * time.Second),
			},
			{
				EventSeq: 999_999, Subscription: delivery.Name{Namespace: "team-a", Name: "orders"}, Kind: delivery.KindDeadLetter,
				Endpoint: delivery.Name{Namespace: "platform", Name: "dead"}, Attempt: 9, Time: at,
				Outcome: delivery.OutcomeDeadLettered, DeadLetter: delivery.DeadExpired,
			},
		},
	}
}

// TestFlush_KeepsItsFormat fails when a build writes what the release before cannot read: records outlive builds,
// and a rollback reads those of its successor. A new field with a new number is what -update is for.
func TestFlush_KeepsItsFormat(t *testing.T) {
	t.Parallel()
	const golden = "testdata/flush-v1.hex"
	written := everything().encode()
	if *update {
		if err := os.WriteFile(golden, []byte(hex.EncodeToString(written)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	read, err := decodeFlush(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(), read); diff != "" {
		t.Errorf("a stored flush reads as another (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(stored, written); diff != "" {
		t.Errorf("a flush is written in another way (-stored +written):\n%s", diff)
	}
}

func TestFlush_RefusesAnUnknownVersion(t *testing.T) {
	t.Parallel()
	if _, err := decodeFlush(wire.AppendVersion(nil, flushVersion+1)); !errors.Is(err, wire.ErrVersion) {
		t.Errorf("error %v, want %v", err, wire.ErrVersion)
	}
}

func TestFlush_EqualsWhatWasReadOfIt(t *testing.T) {
	t.Parallel()
	read, err := decodeFlush(everything().encode())
	if err != nil {
		t.Fatal(err)
	}
	if !read.Equal(everything()) {
		t.Error("a flush does not equal itself")
	}
	read.Records[1].Attempt++
	if read.Equal(everything()) {
		t.Error("a flush equals one with another record")
	}
}
