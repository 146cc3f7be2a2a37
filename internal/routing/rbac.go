// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

// What the dispatcher may do to keep its routing table: read Posthorn's resources, and the Secrets of
// Posthorn's own namespace, where the operator puts what endpoints need. It may read no other Secret.
// Informers list and watch; they never get.
//
// +kubebuilder:rbac:groups=posthorn.dev,resources=webhookendpoints;webhooksubscriptions;webhookeventtypes,verbs=list;watch
// +kubebuilder:rbac:groups="",namespace=posthorn-system,resources=secrets,verbs=list;watch
