// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controlplane runs a real Kubernetes control plane for tests and for the demo: etcd, kube-apiserver
// and, where asked for, kube-controller-manager, as plain processes on free loopback ports.
//
// It differs from controller-runtime's envtest in what Posthorn's promises need: RBAC is enforced,
// ServiceAccounts get real tokens for any audience, the controller manager collects garbage and empties
// namespaces, the API server can be stopped and started again in the middle of a test, and no process
// outlives the program that started it, however that ends.
//
// The binaries come from hack/controlplane.sh; this package finds them and never builds any. It knows nothing
// of Posthorn: suites install its CRDs and roles themselves.
package controlplane
