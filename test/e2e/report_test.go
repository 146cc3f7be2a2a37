// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
)

// seen is what the specs have seen, for the end of the output.
var seen summary

// summary collects lines.
type summary struct{ lines []string }

// note adds a line.
func (s *summary) note(format string, arguments ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, arguments...))
	By(s.lines[len(s.lines)-1])
}

func (s *summary) print(out io.Writer) {
	_, _ = fmt.Fprintf(out, "\nSeen:\n")
	for _, line := range s.lines {
		_, _ = fmt.Fprintf(out, "  - %s\n", line)
	}
}

// diagnose returns what somebody would look at first who finds the cluster in this state.
func diagnose(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var all strings.Builder
	for _, arguments := range [][]string{
		{"get", "pods,services,persistentvolumeclaims", "--all-namespaces", "--output=wide"},
		{"get", "webhookendpoints,webhooksubscriptions,webhookeventsources,webhookeventtypes", "--all-namespaces", "--output=wide"},
		{"get", "webhookendpoints,webhooksubscriptions,webhookeventsources,webhookeventtypes", "--all-namespaces", "--output=yaml"},
		{"describe", "pods", "--namespace", system},
		{"describe", "pods", "--namespace", shop},
		{"get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp"},
		{"logs", "--namespace", system, "--selector=app.kubernetes.io/component=operator", "--tail=200"},
		{"logs", "--namespace", system, "--selector=app.kubernetes.io/component=dispatcher", "--tail=200"},
		{"logs", "--namespace", system, "--selector=app.kubernetes.io/component=dispatcher", "--tail=50", "--previous"},
		{"logs", "--namespace", shop, "--selector=app=receiver", "--tail=20"},
		{"logs", "--namespace", shop, "--selector=app=producer", "--tail=20"},
	} {
		out, err := run(ctx, "kubectl", arguments...)
		_, _ = fmt.Fprintf(&all, "$ kubectl %s\n%s", strings.Join(arguments, " "), out)
		if err != nil {
			_, _ = fmt.Fprintln(&all, err)
		}
	}
	return all.String()
}
