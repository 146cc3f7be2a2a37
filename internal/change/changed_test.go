// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/change"
)

func TestChangedPaths(t *testing.T) {
	t.Parallel()
	patch := change.Patch{
		{Op: "replace", Path: "/spec/b"},
		{Op: "replace", Path: "/metadata/resourceVersion"},
		{Op: "remove", Path: "/spec/list/1"},
		{Op: "remove", Path: "/spec/list/1"},
		{Op: "replace", Path: "/metadata/generation"},
		{Op: "add", Path: "/metadata/generations"},
		{Op: "add", Path: "/spec/a"},
	}
	want := []string{"/metadata/generations", "/spec/a", "/spec/b", "/spec/list/1"}
	if diff := cmp.Diff(want, change.ChangedPaths(patch)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := change.ChangedPaths(nil); got == nil || len(got) != 0 {
		t.Errorf("ChangedPaths(nil) = %#v, want an empty list", got)
	}
}

func TestChangedPaths_GrowsCoarserWhereThereAreMany(t *testing.T) {
	t.Parallel()
	var patch change.Patch
	for i := range 100 {
		patch = append(patch, change.Step{Op: "add", Path: fmt.Sprintf("/status/nodes/%d/ready", i)})
	}
	patch = append(patch, change.Step{Op: "replace", Path: "/spec/a"})
	want := []string{"/spec/a", "/status/nodes"}
	if diff := cmp.Diff(want, change.ChangedPaths(patch)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	long := strings.Repeat("x", change.MaxChangedBytes)
	if diff := cmp.Diff([]string{"/data"}, change.ChangedPaths(change.Patch{{Path: "/data/" + long}})); diff != "" {
		t.Errorf("a long key (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{""}, change.ChangedPaths(change.Patch{{Path: "/" + long}})); diff != "" {
		t.Errorf("a long key at the top (-want +got):\n%s", diff)
	}
}

func TestJoinPaths(t *testing.T) {
	t.Parallel()
	got := change.JoinPaths([]string{"/data/a,b", "/data/50%", "/data/früh\n", "/data/\xff", "/data/a b"})
	if want := "/data/a%2Cb,/data/50%25,/data/früh%0A,/data/%FF,/data/a b"; got != want {
		t.Errorf("JoinPaths() = %q, want %q", got, want)
	}
	if got := change.JoinPaths(nil); got != "" {
		t.Errorf("JoinPaths(nil) = %q", got)
	}
}
