// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/change"
)

const page = "../../docs/reference/kubernetes-event-types.md"

// The page's examples are what Build makes, and it names what a reader has to know by name.
func TestDocs(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, name := range []string{
		change.ExtensionActor, change.ExtensionChanged, change.ExtensionNetEffect, change.ExtensionTruncated, change.ExtensionReason,
		change.ExtensionKubernetesType, change.ExtensionRegardingKind, change.ExtensionRegardingName,
		string(change.SeriesFirst), string(change.SeriesEvery), string(change.SeriesFinished),
		change.Type("", "Pod", change.Deleted, change.NoEdge),
		change.Type("cert-manager.io", "Certificate", change.Updated, change.Recovered),
		change.ID("<uid>", "<resourceVersion>", change.Created, change.NoEdge, false, false),
		change.ID("<uid>", "<resourceVersion>", change.Updated, change.NoEdge, false, false),
		change.ID("<uid>", "<resourceVersion>", change.Deleted, change.NoEdge, false, false),
		change.ID("<uid>", "<resourceVersion>", change.Updated, change.Turned, false, false),
		change.ID("<uid>", "<resourceVersion>", change.Updated, change.Recovered, false, false),
		change.ID("<uid>", "<resourceVersion>", change.Updated, change.NoEdge, true, false),
		change.ID("<uid>", "<resourceVersion>", change.Created, change.NoEdge, false, true),
		change.ID("<uid>", "<resourceVersion>", change.Deleted, change.NoEdge, false, true),
		change.Source("<namespace>", "<name>"), change.Subject("<namespace>", "<name>"),
	} {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
	if size := grouped(change.MaxDataBytes); !strings.Contains(text, size+" bytes") {
		t.Errorf("the page does not say that data takes at most %s bytes", size)
	}

	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(examples) != 2 {
		t.Fatalf("%d examples, want 2", len(examples))
	}
	want, got := decode(t, string(build(t, update(t, change.FormPatch)).AppendStructured(nil))), decode(t, examples[0][1])
	if diff := change.Diff(got, want); diff != nil {
		t.Errorf("the example is not what is sent: %s", marshal(t, diff))
	}
	if err := compileSchema(t, change.Schema()).Validate(value(t, examples[1][1])); err != nil {
		t.Errorf("the example of a truncated event does not match the schema: %v", err)
	}
}

// grouped writes a number of up to seven digits with its commas.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
