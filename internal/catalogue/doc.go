// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package catalogue knows which types of events are described: those that a namespace describes
// itself, and those that Posthorn emits.
//
// It says what a type is and by which schema its data is checked. What becomes of an event that
// violates it is the business of package ingest.
package catalogue
