// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e installs the chart with Helm into a real cluster that runs pods, and sees it work. Its tests have the
// build tag e2e; `make e2e` runs them, on the cluster of KUBECONFIG or on one that it brings up.
//
// The first specs follow docs/getting-started.md: they run every command in it, and what it installs is what the
// other specs disturb: the dispatcher's pod is deleted, values change, a key is rotated, all while events flow. The
// sample applications of the page (package app) count what was accepted and what arrived, and are read through
// the API server, so that nothing but KUBECONFIG is needed to reach them.
package e2e
