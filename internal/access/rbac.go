// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

// The dispatcher asks both questions about any user, and may do nothing else with either kind.
//
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
