// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package status writes what the dispatcher knows into the status of Posthorn's resources.
//
// The dispatcher pushes facts, as often as it likes; the Writer turns them into conditions and
// fields, compares them with what is stored, and writes what differs by server-side apply, under the
// dispatcher's own field manager. It keeps to budgets over all objects, so that 10,000 busy objects do
// not load the API server and a mass outage does not hold up a new tenant. Nothing is written when
// nothing changed, a restart included. The operator's fields and conditions are never sent.
//
// The package also keeps the Lease that tells the operator that the dispatcher is there.
package status
