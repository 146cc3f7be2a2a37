// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/posthorn-dev/posthorn/internal/testkit/revisions"
)

// startRevisions watches all objects of all kinds for the whole suite. What it objects to, the spec that is
// running then fails with. The dispatcher is played here; test/chaos has the real one.
func startRevisions() *revisions.Recorder {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	r, err := revisions.Start(ctx, plane.Config())
	Expect(err).NotTo(HaveOccurred())
	return r
}

var _ = AfterEach(func() { Expect(recorded.Violations()).To(BeEmpty()) })

var _ = ReportAfterSuite("every state was seen", func(r Report) {
	if recorded == nil {
		return
	}
	Expect(recorded.Violations()).To(BeEmpty(), "in revisions that were seen after the last spec")
	if !r.SuiteSucceeded || r.SuiteConfig.FocusStrings != nil {
		return
	}
	Expect(recorded.Statuses()).To(And(
		HaveKey(status.CurrentStatus), HaveKey(status.InProgressStatus), HaveKey(status.FailedStatus)))
})
