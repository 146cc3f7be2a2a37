// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package egress decides whether an address may be dialled on a tenant's behalf, so that a webhook's
// URL is no way into the cluster's network, the node, or the cloud's metadata service.
//
// It is a pure verdict on addresses. Resolving a name, judging the whole answer and dialling nothing
// but what was judged is left to package httpsend.
package egress
