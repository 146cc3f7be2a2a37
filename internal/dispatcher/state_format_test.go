// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/wire"
)

// stateValue is a value of the small state, and as the first builds stored it.
type stateValue struct {
	value  any
	stored string
}

// stateValues are values of the small state by the key under which they are stored.
func stateValues() map[eventlog.StateKey]stateValue {
	at := time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)
	events := newLedger(1 << 20)
	events.add(7, "team-a", 100, at)
	return map[eventlog.StateKey]stateValue{
		positionKey(delivery.Name{Namespace: "team-a", Name: "orders"}): {
			position{UID: "uid", Start: 7, Gone: at}, `{"uid":"uid","start":7,"gone":"2026-11-25T01:02:03Z"}`,
		},
		{Kind: stateEndpoint, Namespace: "team-a", Name: "billing"}: {
			endpointState{Disabled: &disabled{at, disabledGone, 2, "uid"}, FailingSince: at, HandledEnable: "now"},
			`{"disabled":{"since":"2026-11-25T01:02:03Z","reason":"Gone","generation":2,"uid":"uid"},` +
				`"failingSince":"2026-11-25T01:02:03Z","handledEnable":"now"}`,
		},
		{Kind: stateEndpoint, Namespace: "team-a", Name: "new"}: {endpointState{}, `{}`},
		circuitKey{"team-a", "billing", false}.stateKey(): {
			breaker.Snapshot{State: breaker.Open, Since: at, ConsecutiveFailures: 5, OpenFor: time.Second, NextProbe: at},
			`{"state":"Open","since":"2026-11-25T01:02:03Z","consecutiveFailures":5,"openFor":1000000000,"nextProbe":"2026-11-25T01:02:03Z"}`,
		},
		circuitKey{"team-a", "hooks.example.org", true}.stateKey(): {
			breaker.Snapshot{State: breaker.Closed, Since: at}, `{"state":"Closed","since":"2026-11-25T01:02:03Z"}`,
		},
		usageKey: {
			ledgers{events, newLedger(1 << 20)},
			`{"events":{"counted":7,"span":4096,"spans":[{"first":7,"last":7,"since":"2026-11-25T01:02:03Z",` +
				`"held":{"team-a":{"messages":1,"bytes":100}}}]},"deadLetters":{"counted":0,"span":4096}}`,
		},
	}
}

// of is what was restored of a key's value.
func (r *restored) of(key eventlog.StateKey) any {
	name := delivery.Name{Namespace: key.Namespace, Name: key.Name}
	switch key.Kind {
	case statePosition:
		return r.positions[name]
	case stateEndpoint:
		return r.endpoints[name]
	case stateUsage:
		return r.usage
	}
	return r.circuits[circuitKey{key.Namespace, key.Name, key.Kind == stateHost}]
}

// TestFormat_OfTheSmallStateIsKept fails when a build writes what another cannot read, or does not read what another wrote.
func TestFormat_OfTheSmallStateIsKept(t *testing.T) {
	t.Parallel()
	for key, v := range stateValues() {
		// Builds that know no version skip it; nothing else is new to them.
		written := string(encode(v.value))
		if want := strings.Replace(`{"version":1,`+v.stored[1:], ",}", "}", 1); written != want {
			t.Errorf("%s is written as %s, want %s", key, written, want)
		}
		for _, stored := range []string{v.stored, written} {
			r := newRestored()
			if err := r.set(key, []byte(stored)); err != nil {
				t.Errorf("%s: read %s: %v", key, stored, err)
				continue
			}
			if diff := cmp.Diff(v.value, r.of(key), cmpopts.IgnoreUnexported(ledger{}, span{})); diff != "" {
				t.Errorf("%s: %s reads as another (-want +got):\n%s", key, stored, diff)
			}
		}
	}
}

func TestFormat_RefusesSmallStateOfAnUnknownVersion(t *testing.T) {
	s := start(t, nil)
	s.down()
	for key, v := range stateValues() {
		t.Run(key.String(), func(t *testing.T) {
			s.openLog(func() {
				defer func() {
					if err := s.log.RemoveState(t.Context(), key); err != nil {
						t.Error(err)
					}
				}()
				if err := s.log.PutState(t.Context(), map[eventlog.StateKey][]byte{key: encodeAs(9, v.value)}); err != nil {
					t.Fatal(err)
				}
				d, err := New(Options{Log: s.log, Sender: s.client, Reporter: s.reports})
				if err != nil {
					t.Fatal(err)
				}
				err = d.Start(t.Context())
				if !errors.Is(err, wire.ErrVersion) || !strings.Contains(err.Error(), key.String()) || !strings.Contains(err.Error(), "version: 9") {
					t.Errorf("start: %v, want a word on the version of %s", err, key)
				}
			})
		})
	}
}

func TestFormat_SkipsWhatALaterBuildAddsToTheSmallState(t *testing.T) {
	t.Parallel()
	r := newRestored()
	if err := r.set(eventlog.StateKey{Kind: "of-a-later-build", Namespace: "team-a", Name: "orders"}, encodeAs(9, position{})); err != nil {
		t.Error(err)
	}
	key := positionKey(delivery.Name{Namespace: "team-a", Name: "orders"})
	if err := r.set(key, []byte(`{"version":1,"uid":"uid","start":7,"addition":{"of":"a later build"}}`)); err != nil {
		t.Error(err)
	}
	if p := r.positions[delivery.Name{Namespace: "team-a", Name: "orders"}]; p.Start != 7 {
		t.Errorf("the position reads as %+v", p)
	}
}
