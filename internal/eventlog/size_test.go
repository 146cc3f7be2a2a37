// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

func TestSizes_AreWhatTheEngineCounts(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	var want []eventlog.Size
	sum := int64(0)
	for i, namespace := range []string{"team-a", "b", "team-a", "a-much-longer-name"} {
		record := make([]byte, 100*i)
		seqs, err := l.Append(t.Context(), namespace, [][]byte{record})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, eventlog.Size{Seq: seqs[0], Namespace: namespace, Bytes: eventlog.EventSize(namespace, len(record))})
		sum += int64(want[i].Bytes)
	}
	u, err := l.Usage(t.Context())
	if err != nil || u.Events != sum {
		t.Errorf("the engine counts %d bytes (%v), want %d", u.Events, err, sum)
	}
	var got []eventlog.Size
	if err := l.EventSizes(t.Context(), 2, 3, func(s eventlog.Size) {
		got = append(got, s)
	}); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Time = want[i].Time
	}
	if diff := cmp.Diff(want[1:3], got); diff != "" {
		t.Error(diff)
	}
}

func TestSizes_OfDeadLettersNameTheNamespace(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	before, err := l.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, sum := []int{}, int64(0)
	for i, p := range []eventlog.Place{
		{Namespace: "a", Subscription: "s.t", EndpointNamespace: "a", EndpointName: "e"},
		{Namespace: "a", Subscription: "s", EndpointNamespace: "b", EndpointName: "e.f"},
	} {
		if _, err := l.StoreDeadLetter(p, make([]byte, i)).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		want = append(want, eventlog.DeadLetterSize(p, i))
		sum += int64(want[i])
		if _, err := l.StoreWaiting(p, make([]byte, i)).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		sum += int64(eventlog.WaitingSize(p, i))
	}
	var got []int
	if err := l.DeadLetterSizes(t.Context(), 1, 2, func(s eventlog.Size) {
		if s.Namespace != "a" {
			t.Errorf("dead letter of %q, want a", s.Namespace)
		}
		got = append(got, s.Bytes)
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	after, err := l.Usage(t.Context())
	if err != nil || after.Total-before.Total != sum {
		t.Errorf("the engine counts %d bytes (%v), want %d", after.Total-before.Total, err, sum)
	}
}

func TestTrim_TakesTheNamespacesOwnAlone(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	for i := range 10 {
		if _, err := l.Append(t.Context(), fmt.Sprintf("team-%d", i%2), [][]byte{{byte(i)}}); err != nil {
			t.Fatal(err)
		}
		p := eventlog.Place{Namespace: fmt.Sprintf("team-%d", i%2), Subscription: "s", EndpointNamespace: "team-0", EndpointName: "e"}
		if _, err := l.StoreDeadLetter(p, []byte{byte(i)}).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.TrimEventsOf(t.Context(), "team-0", 6), l.TrimDeadLettersOf(t.Context(), "team-1", 7)); err != nil {
		t.Fatal(err)
	}
	var events, dead []uint64
	if err := errors.Join(
		l.EventSizes(t.Context(), 1, 10, func(s eventlog.Size) { events = append(events, s.Seq) }),
		l.DeadLetterSizes(t.Context(), 1, 10, func(s eventlog.Size) { dead = append(dead, s.Seq) }),
	); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]uint64{{2, 4, 6, 7, 8, 9, 10}, {1, 3, 5, 7, 8, 9, 10}}, [][]uint64{events, dead}); diff != "" {
		t.Error(diff)
	}
	if first, err := l.FirstDeadLetter(t.Context()); err != nil || first != 1 {
		t.Errorf("first dead letter is %d (%v), want 1", first, err)
	}
}
