// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package hack_test tests the scripts, with programs in place of those that they would build.
package hack_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var components = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}

func TestControlPlane_FindsWhatIsThere(t *testing.T) {
	tests := map[string]struct {
		assets []string // in KUBEBUILDER_ASSETS, which is not set where this is nil
		cached []string
		// cache is the variable that says where the cache is, POSTHORN_CACHE unless set, and below what follows there.
		cache, below string
		want         string // assets or cache; empty where nothing is to be found
		wantSaid     string
	}{
		"the assets of the environment":                           {assets: components, want: "assets"},
		"the assets rather than the cache":                        {assets: components, cached: components, want: "assets"},
		"the cache where the assets lack one":                     {assets: components[:3], cached: components, want: "cache", wantSaid: "lacks one of"},
		"the cache where the assets are none":                     {assets: []string{}, cached: components, want: "cache", wantSaid: "lacks one of"},
		"nothing where the assets lack one and there is no cache": {assets: components[1:], wantSaid: "There is no control plane in "},
		"the cache":                         {cached: components, want: "cache"},
		"nothing where the cache lacks one": {cached: components[:3], wantSaid: "build one with: make controlplane"},
		"nothing where there is no cache":   {wantSaid: "build one with: make controlplane"},
		"the cache of the user":             {cached: components, cache: "XDG_CACHE_HOME", below: "posthorn", want: "cache"},
		"the cache of the user at home":     {cached: components, cache: "HOME", below: ".cache/posthorn", want: "cache"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			if tc.cache == "" {
				tc.cache = "POSTHORN_CACHE"
			}
			cache := t.TempDir()
			s.env = append(s.env, tc.cache+"="+cache)
			places := map[string]string{"cache": s.target(t)}
			if want := filepath.Join(cache, tc.below, "controlplane"); filepath.Dir(places["cache"]) != want {
				t.Errorf("it looks in %s, want %s", places["cache"], want)
			}
			if tc.assets != nil {
				places["assets"] = t.TempDir()
				s.env = append(s.env, "KUBEBUILDER_ASSETS="+places["assets"])
				stub(t, places["assets"], tc.assets...)
			}
			if tc.cached != nil {
				stub(t, places["cache"], tc.cached...)
			}

			printed, said, err := s.run(t, "find")
			if printed != places[tc.want] {
				t.Errorf("printed %q, want %q", printed, places[tc.want])
			}
			if !strings.Contains(said, tc.wantSaid) || tc.wantSaid == "" && said != "" {
				t.Errorf("said %q, want %q", said, tc.wantSaid)
			}
			if (err == nil) != (tc.want != "") {
				t.Errorf("ended with %v", err)
			}
			if left := names(t, cache); tc.cached == nil && len(left) > 0 {
				t.Errorf("made %v, though it was only to find", left)
			}
			if called := s.called(t); called != "" {
				t.Errorf("called go %s", called)
			}
		})
	}
}

func TestControlPlane_TakesNothingThatCannotBeRun(t *testing.T) {
	s := newScript(t)
	assets := t.TempDir()
	s.env = append(s.env, "POSTHORN_CACHE="+t.TempDir(), "KUBEBUILDER_ASSETS="+assets)
	stub(t, assets, components...)
	if err := os.Chmod(filepath.Join(assets, "kubectl"), 0o600); err != nil {
		t.Fatal(err)
	}
	if printed, said, err := s.run(t, "find"); err == nil || printed != "" {
		t.Errorf("printed %q, said %q", printed, said)
	}
}

func TestControlPlane_BuildsOnce(t *testing.T) {
	s := newScript(t)
	s.env = append(s.env, "POSTHORN_CACHE="+t.TempDir())
	target := s.target(t)
	for range 2 {
		printed, said, err := s.run(t)
		if err != nil || printed != target {
			t.Fatalf("printed %q, want %q (%v): %s", printed, target, err, said)
		}
	}
	if got, want := names(t, target), append([]string{"controlplane"}, components...); !slices.Equal(got, want) {
		t.Errorf("made %v, want %v", got, want)
	}
	if builds := strings.Count(s.called(t), "build "); builds != 1 {
		t.Errorf("built %d times", builds)
	}
	// kubectl and Helm refuse to parse the version of a server that does not know its own.
	version := regexp.MustCompile(`v[0-9.]+`).FindString(filepath.Base(target))
	if !strings.Contains(s.called(t), "component-base/version.gitVersion="+version+" ") {
		t.Errorf("the version %s is not among the flags: %s", version, s.called(t))
	}
}

func TestControlPlane_LeavesNothingHalfBuilt(t *testing.T) {
	s := newScript(t)
	cache := t.TempDir()
	s.env = append(s.env, "POSTHORN_CACHE="+cache, "BROKEN=1")
	if printed, _, err := s.run(t); err == nil || printed != "" {
		t.Errorf("printed %q, and ended well", printed)
	}
	if got := names(t, filepath.Join(cache, "controlplane")); !slices.Equal(got, []string{".lock"}) {
		t.Errorf("left %v", got)
	}
}

// script is hack/controlplane.sh with an environment of its own, in which go is a program that notes how it is
// called, and makes a file where it should build one.
type script struct {
	env   []string
	calls string
}

func newScript(t *testing.T) *script {
	t.Helper()
	bin, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	compiler := `#!/usr/bin/env bash
printf '%s ' "$@" >>"$CALLS"
[ "$1" = build ] || exit 0
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\n' >"$2" && chmod +x "$2" && [ -z "${BROKEN:-}" ]
`
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(compiler), 0o755); err != nil {
		t.Fatal(err)
	}
	return &script{calls: calls, env: []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "CALLS=" + calls,
	}}
}

// run runs the script in another directory than its own.
func (s *script) run(t *testing.T, args ...string) (printed, said string, err error) {
	t.Helper()
	path, err := filepath.Abs("controlplane.sh")
	if err != nil {
		t.Fatal(err)
	}
	var out, problem bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.TempDir(), s.env, &out, &problem
	err = cmd.Run()
	return strings.TrimSpace(out.String()), problem.String(), err
}

// target is where the control plane of the cache would be, which the script says when it is not there.
func (s *script) target(t *testing.T) string {
	t.Helper()
	_, said, err := s.run(t, "find")
	found := regexp.MustCompile(`There is no control plane in (\S+);`).FindStringSubmatch(said)
	if err == nil || found == nil {
		t.Fatalf("it found one in an empty cache (%v): %s", err, said)
	}
	return found[1]
}

// called is how go was called so far.
func (s *script) called(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.calls)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// stub makes programs that do nothing.
func stub(t *testing.T, dir string, programs ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// names lists a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
