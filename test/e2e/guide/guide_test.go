// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package guide_test

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/test/e2e/guide"
)

func TestParse_TakesWhatIsToBeTypedBySection(t *testing.T) {
	t.Parallel()
	page := strings.ReplaceAll(`# Title

'''shell
first
'''

## Install

'''yaml
## not: a heading
'''

'''shell
helm install
kubectl get pods
'''

'''console
$ kubectl get pods
'''
`, "'''", "```")
	got, err := guide.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	want := []guide.Block{
		{Line: 4, Script: "first\n"},
		{Section: "Install", Line: 14, Script: "helm install\nkubectl get pods\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}

func TestParse_RefusesAFenceThatIsNotClosed(t *testing.T) {
	t.Parallel()
	if _, err := guide.Parse("text\n```shell\nfirst\n"); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v, want an error that names line 2", err)
	}
}

func TestSession_IsOneShell(t *testing.T) {
	t.Parallel()
	session := guide.NewSession(t.TempDir(), t.TempDir(), map[string]string{"GREETING": "hello"}, io.Discard)
	for _, step := range []struct{ script, want string }{
		{"NAME='of two words'\nGREETING=\"$GREETING,\"\n", ""},
		{"echo \"$GREETING $NAME\"\n", "hello, of two words\n"},
		{"cat <<EOF\n$NAME\nEOF\n", "of two words\n"},
	} {
		got, err := session.Run(t.Context(), guide.Block{Script: step.script})
		if err != nil || got != step.want {
			t.Errorf("%q: got %q, %v, want %q", step.script, got, err, step.want)
		}
	}
}

func TestSession_EndsABlockWithTheFirstCommandThatFails(t *testing.T) {
	t.Parallel()
	session := guide.NewSession(t.TempDir(), t.TempDir(), nil, io.Discard)
	for name, script := range map[string]string{
		"a command":      "echo before; echo why >&2; false\necho after\n",
		"a pipe's start": "echo before; { echo why >&2; false; } | cat\necho after\n",
	} {
		got, err := session.Run(t.Context(), guide.Block{Line: 7, Script: script})
		if err == nil || !strings.Contains(err.Error(), "line 7") || !strings.Contains(err.Error(), "why") {
			t.Errorf("%s: got error %v", name, err)
		}
		if got != "before\n" {
			t.Errorf("%s: printed %q", name, got)
		}
	}
}
