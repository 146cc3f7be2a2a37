// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// remembered is what a log holds of watches and small state, as lines.
func remembered(t *testing.T, l *eventlog.Log, watches ...string) []string {
	t.Helper()
	var lines []string
	for _, watch := range watches {
		if err := l.Objects(t.Context(), watch, func(uid string, data []byte) {
			lines = append(lines, fmt.Sprintf("object %s %s %s", watch, uid, data))
		}); err != nil {
			t.Fatal(err)
		}
	}
	checkpoints, err := l.Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for watch, data := range checkpoints {
		lines = append(lines, fmt.Sprintf("checkpoint %s %s", watch, data))
	}
	state, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for k := range maps.Keys(state) {
		lines = append(lines, fmt.Sprintf("state %s %s", k, state[k]))
	}
	return slices.Sorted(slices.Values(lines))
}

// The engine writes down what was removed by name, and not what was replaced.
func TestLog_WhatIsRemovedDoesNotComeBackAfterACrash(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: filepath.Join(dir, "running")})
	gone, kept := eventlog.ObjectKey{Watch: "a", UID: "gone"}, eventlog.ObjectKey{Watch: "a", UID: "kept"}
	of := func(name string) eventlog.StateKey {
		return eventlog.StateKey{Kind: "circuit", Namespace: "team-a", Name: name}
	}
	for i := range 5 {
		value := fmt.Append(nil, i)
		for _, err := range []error{
			l.PutObjects(t.Context(), map[eventlog.ObjectKey][]byte{gone: value, kept: value, {Watch: "b", UID: "gone"}: value}),
			l.PutCheckpoint(t.Context(), "a", value),
			l.PutCheckpoint(t.Context(), "b", value),
			l.PutState(t.Context(), map[eventlog.StateKey][]byte{of("gone"): value, of("kept"): value}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, err := range []error{
		l.RemoveObjects(t.Context(), []eventlog.ObjectKey{gone, {Watch: "a", UID: "never"}}),
		l.RemoveWatch(t.Context(), "b"),
		l.RemoveState(t.Context(), of("gone")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "crashed"), os.DirFS(filepath.Join(dir, "running"))); err != nil {
		t.Fatal(err)
	}
	want := []string{"checkpoint a 4", "object a kept 4", "state circuit.team-a.kept 4"}
	for name, l := range map[string]*eventlog.Log{"before": l, "after": open(t, eventlog.Options{Dir: filepath.Join(dir, "crashed")})} {
		if diff := cmp.Diff(want, remembered(t, l, "a", "b")); diff != "" {
			t.Errorf("%s the crash: %s", name, diff)
		}
		if _, err := l.Object(t.Context(), gone); !errors.Is(err, eventlog.ErrNotFound) {
			t.Errorf("%s the crash the object is there: %v", name, err)
		}
		if err := l.PutObjects(t.Context(), map[eventlog.ObjectKey][]byte{gone: []byte("again")}); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Object(t.Context(), gone); err != nil || string(got) != "again" {
			t.Errorf("%s the crash it does not come back: %q, %v", name, got, err)
		}
	}
}

func TestLog_SaysThatAnObjectIsTooLarge(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	err := l.PutObjects(t.Context(), map[eventlog.ObjectKey][]byte{{Watch: "a", UID: "large"}: make([]byte, 5<<20)})
	if !errors.Is(err, eventlog.ErrTooLarge) {
		t.Errorf("the error is %v", err)
	}
}
