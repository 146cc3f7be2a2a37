// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package payload makes the body of a request, and the headers that describe it, from an event: in
// one of four formats, with the event's data or with what a CEL transform makes of it.
//
// Headers of signatures, of authentication and those that tenants add are not its business.
package payload
