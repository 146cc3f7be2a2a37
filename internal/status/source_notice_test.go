// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// wellWatched returns the facts of an event source that is well.
func wellWatched() SourceFacts {
	return SourceFacts{
		Name: delivery.Name{Namespace: "team-a", Name: "deploys"}, UID: "uid-1", Generation: 1,
		Permissions: Verdict{Known: true, Holds: true, Reason: hookv1.ReasonGranted, Message: "It may."},
		Watching:    Verdict{Known: true, Holds: true, Reason: hookv1.ReasonLive, Message: "Every watch has shown life within 2 minutes."},
	}
}
