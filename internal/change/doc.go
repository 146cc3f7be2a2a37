// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package change turns changes of Kubernetes objects into events: what of an object may be seen, whether two
// states of it differ, in what, by whom and when, and how the event of the difference is named and written.
//
// It is pure: it knows no client, no watch and no clock. An object is what Kubernetes' unstructured holds, a
// map[string]any of JSON values (string, bool, int64, float64, nil, []any, map[string]any). Objects are shared
// with others and never written to: what is taken away is taken away from a copy.
//
// The way of a change: ManagersOf reads the managed fields, Sanitize takes away what nobody may see,
// FingerprintOf tells whether anything is left that differs, Diff says what, and Build makes the event. For
// Kubernetes Events, ParseKubernetesEvent reads their two shapes, and SeriesPolicy says which of many equal ones
// is worth an event. Watching, checkpoints, permissions and expressions are source's.
package change
