// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

// What the dispatcher may do to learn where nobody's webhooks may go: list the addresses behind the Service
// kubernetes, which has no other namespace than default, and the ranges of Services, which have none. RBAC
// knows no labels, so that it may list every EndpointSlice of that namespace.
//
// +kubebuilder:rbac:groups=discovery.k8s.io,namespace=default,resources=endpointslices,verbs=list
// +kubebuilder:rbac:groups=networking.k8s.io,resources=servicecidrs,verbs=list
