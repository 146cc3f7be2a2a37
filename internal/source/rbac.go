// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

// What the dispatcher may do to watch for sources, besides reading what they watch: that is granted by
// the ClusterRole posthorn-source-reader, to which the platform adds (config/rbac/source_reader_roles.yaml).
//
// The sources themselves:
// +kubebuilder:rbac:groups=posthorn.dev,resources=webhookeventsources,verbs=list;watch
//
// Whether a ServiceAccount is there and marked for use, and whether it, and the dispatcher, may read
// a resource. Reviews about others are asked for by package access too:
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=selfsubjectaccessreviews,verbs=create
//
// The labels of namespaces that a source selects:
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
//
// That roles have changed, so that rights are asked for again at once. Nothing is read of them but
// metadata. Where only some namespaces are watched this is not granted, and a change of roles takes up to a minute:
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings;clusterroles;clusterrolebindings,verbs=watch
