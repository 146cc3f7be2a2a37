// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// put stores a value for each key.
func put(t *testing.T, l *eventlog.Log, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if err := l.PutKey(t.Context(), k, []byte("of "+k)); err != nil {
			t.Fatal(err)
		}
	}
}

// has reports whether the key is remembered.
func has(t *testing.T, l *eventlog.Log, key string) bool {
	t.Helper()
	v, ok, err := l.GetKey(t.Context(), key)
	if err != nil || ok && string(v) != "of "+key {
		t.Fatalf("key %s: %q (%v)", key, v, err)
	}
	return ok
}

func TestLog_RemembersIdempotencyKeysBoundedByNumberAndCountsTheOthers(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir, MaxKeys: 2})
	for i, step := range []struct {
		key  string
		want uint64
	}{{"a", 0}, {"b", 0}, {"c", 1}, {"d", 2}} {
		put(t, l, step.key)
		if got := l.EvictedKeys(); got != step.want {
			t.Errorf("%d keys counted after %d, want %d", got, i+1, step.want)
		}
	}
	l.Close()

	l = open(t, eventlog.Options{Dir: dir, MaxKeys: 2})
	for k, want := range map[string]bool{"a": false, "b": false, "c": true, "d": true} {
		if got := has(t, l, k); got != want {
			t.Errorf("key %s is there: %t, want %t", k, got, want)
		}
	}
	put(t, l, "e")
	if got := l.EvictedKeys(); got != 1 {
		t.Errorf("%d keys counted after a restart, want 1", got)
	}
}

func TestLog_CountsManyEvictedKeysNearlyAtOnce(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir(), MaxKeys: 3_000})
	for i := range 3_011 {
		put(t, l, fmt.Sprint(i))
		if got, want := l.EvictedKeys(), uint64(max(i-2_999, 0)); got > want || got+3 <= want {
			t.Fatalf("%d keys counted of %d", got, want)
		}
	}
}

func TestLog_CountsNoKeyThatIsPutAgain(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir(), MaxKeys: 2})
	put(t, l, "a", "a", "a", "a", "a")
	if got := l.EvictedKeys(); got != 0 || !has(t, l, "a") {
		t.Errorf("%d keys counted, want 0", got)
	}
}

func TestLog_ForgetsIdempotencyKeysByAgeAndDoesNotCountThem(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir(), KeyAge: time.Second, MaxKeys: 1})
	put(t, l, "a")
	eventually(t, "the key is still there", func() error {
		if has(t, l, "a") {
			return errors.New("it is found")
		}
		return nil
	})
	put(t, l, "b")
	if got := l.EvictedKeys(); got != 0 {
		t.Errorf("%d keys counted, want 0", got)
	}
}
