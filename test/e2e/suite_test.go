// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
)

const (
	// system is where Posthorn runs, and release is its name for Helm.
	system, release = "posthorn-system", "posthorn"
	// shop is the tenant of getting started.
	shop = "shop"
	// patience is how long anything may take that has no bound of its own: pods start on a busy machine.
	patience = 3 * time.Minute
)

func TestE2E(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(GinkgoLogr)
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(500 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "Posthorn in a cluster")
}

// The specs build on each other: what getting started installs is what the others use.
var _ = Describe("Posthorn, installed with Helm", Ordered, func() {
	BeforeAll(func(ctx SpecContext) {
		kube = connect()
		By("looking whether the cluster has a Posthorn already")
		Expect(kube.customResources(ctx)).To(BeEmpty(), "the suite takes all of Posthorn away at its end")
		openGettingStarted(ctx)
		DeferCleanup(cleanUp, NodeTimeout(2*patience))
	}, NodeTimeout(patience))

	followsGettingStarted()
	outlivesItsPods()
	takesNewValues()
	rotatesKeys()
	tellsOfDeployments()
	keepsTenantsApart()
	watchesNamespaces()
	leavesAndComesBack()

	AfterEach(func(ctx SpecContext) {
		if CurrentSpecReport().Failed() {
			AddReportEntry("The cluster at the failure", diagnose(ctx), ReportEntryVisibilityFailureOrVerbose)
		}
	}, NodeTimeout(patience))
})

// What the specs have seen, in figures, at the end and whatever came of them.
var _ = ReportAfterSuite("what was seen", func(Report) { seen.print(os.Stdout) })

// withTimeout bounds a spec; within it patience bounds each wait.
const withTimeout = SpecTimeout(15 * time.Minute)

// cleanUp takes away what the specs leave when one of them has failed. After the last one there is nothing left but
// namespaces.
func cleanUp(ctx SpecContext) {
	if os.Getenv("E2E_KEEP") != "" {
		return
	}
	for _, arguments := range [][]string{
		{"helm", "uninstall", release, "--namespace", system, "--ignore-not-found"},
		{
			"kubectl", "delete", "customresourcedefinitions", "--ignore-not-found", "--wait=false",
			"webhookendpoints.posthorn.dev", "webhooksubscriptions.posthorn.dev",
			"webhookeventsources.posthorn.dev", "webhookeventtypes.posthorn.dev",
		},
		{"kubectl", "delete", "namespaces", "--ignore-not-found", "--timeout=2m", system, shop, partner, watched, teamA, teamB},
	} {
		if out, err := run(ctx, arguments[0], arguments[1:]...); err != nil {
			GinkgoWriter.Println(out, err)
		}
	}
}

// root is the repository.
func root() string {
	directory, err := filepath.Abs(filepath.Join("..", ".."))
	Expect(err).NotTo(HaveOccurred())
	return directory
}
