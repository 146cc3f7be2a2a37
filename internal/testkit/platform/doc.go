// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package platform runs a whole Posthorn for tests: a control plane with Posthorn's resources and roles,
// and operator and dispatcher as processes of the real binaries, each with the rights of its own
// ServiceAccount. It makes tenants, endpoints and subscriptions in it, and posts events.
//
// The processes can be ended as a crash or as a stop ends them, and started again on the same data and at the
// same addresses. None of them outlives the program that started it.
package platform
