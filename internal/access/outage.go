// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// probeInterval is how often the API server is tried again while it is away. One caller tries;
// everybody else goes on with the answers that are there.
const probeInterval = 5 * time.Second

// outage remembers that the API server is away, so that callers with an older answer need not wait
// for one more time-out each. It is safe for concurrent use.
type outage struct {
	mu        sync.Mutex
	away      bool
	nextProbe time.Time
}

// holds reports whether the API server was away when it was last asked.
func (o *outage) holds() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.away
}

// probe reports whether the caller is the one to try again now.
func (o *outage) probe(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.away || now.Before(o.nextProbe) {
		return false
	}
	o.nextProbe = now.Add(probeInterval)
	return true
}

// record takes note of how a question went.
func (o *outage) record(away bool, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away = away
	if away {
		o.nextProbe = now.Add(probeInterval)
	}
}

// isAway tells an API server that is away (no connection, no answer in time, 5xx, 429) from one
// that refuses the question, such as for a missing right of Posthorn's own. Only the former lets
// older answers live on.
func isAway(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code >= http.StatusInternalServerError ||
		code == http.StatusTooManyRequests || code == http.StatusRequestTimeout
}
