// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the resources of posthorn.dev/v1alpha1: what a user writes, what Posthorn
// answers in the status, and the names of all conditions, reasons, annotations and labels.
//
// What the schema can refuse, the markers here refuse; what needs the cluster or the CEL compiler is
// judged by the operator and shown in conditions. The package imports nothing of Posthorn and no
// controller library, so that other programs can import it cheaply.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package=../../internal/applyconfiguration
// +groupName=posthorn.dev
package v1alpha1
