// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import "strings"

// originUnauthenticated is the origin of events when Access is switched off.
const originUnauthenticated = "unauthenticated"

// originOf turns a user name of Kubernetes into an event's origin: serviceaccount:<namespace>:<name>
// or user:<name>. Both have a prefix of their own, so that no user name that an identity provider
// hands out can look like a ServiceAccount, a receiver or a source.
func originOf(username string) string {
	if account, ok := strings.CutPrefix(username, "system:serviceaccount:"); ok {
		return "serviceaccount:" + account
	}
	return "user:" + username
}
