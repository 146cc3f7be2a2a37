// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"net/http"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// readyTimeout bounds one look at the caches, well under the second that a probe waits by default.
const readyTimeout = 500 * time.Millisecond

// errNotSynced is the answer of /readyz before the caches are filled.
var errNotSynced = errors.New("the caches are not filled yet")

// cachesSynced is ready once all caches are filled: before that the operator would judge by half of
// what there is.
func cachesSynced(mgr ctrl.Manager) healthz.Checker {
	return func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errNotSynced
		}
		return nil
	}
}
