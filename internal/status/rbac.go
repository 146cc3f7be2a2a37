// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

// What the dispatcher may do to tell what it knows: write statuses and Kubernetes Events, and keep its
// Lease in Posthorn's own namespace, but not that of the operator. An apply that creates an object takes
// create beside patch, and names the object then too.
//
// +kubebuilder:rbac:groups=posthorn.dev,resources=webhookendpoints/status;webhooksubscriptions/status;webhookeventsources/status;webhookeventtypes/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=posthorn-system,resources=leases,resourceNames=posthorn-dispatcher,verbs=create;patch
