// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// Bounds of the schema, in characters. What is longer is cut here: a value that the API server
// refuses would keep everything else from being written too.
const (
	maxConditionMessage = 1024
	maxFailureMessage   = 256
	maxEventID          = 256
	maxEventType        = 256
	maxReason           = 64
	maxEnable           = 256
	maxRecentFailures   = 5
)

// bounded cuts s to at most n characters, the last of which then shows the cut.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	count, last := 0, 0
	for i := range s {
		if count++; count == n {
			last = i
		} else if count > n {
			return s[:last] + "…"
		}
	}
	return s
}

// Bounded returns the failure with its texts cut to what a status shows of them.
func (f Failure) Bounded() Failure {
	f.EventID, f.EventType = bounded(f.EventID, maxEventID), bounded(f.EventType, maxEventType)
	f.Reason, f.Message = bounded(f.Reason, maxReason), bounded(f.Message, maxFailureMessage)
	return f
}

// seconds returns a time as the API keeps it.
func seconds(t time.Time) metav1.Time { return metav1.NewTime(t.UTC().Truncate(time.Second)) }

// optionalSeconds returns nil for the zero time.
func optionalSeconds(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	s := seconds(t)
	return &s
}

// clock writes a time into a message.
func clock(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// count returns a counter as the API keeps it.
func count(n int64) *int64 {
	n = max(n, 0)
	return &n
}

// endpointDeliveries returns the counters that both kinds have.
func endpointDeliveries(c Counts) hookv1.EndpointDeliveries {
	return hookv1.EndpointDeliveries{
		Delivered:         count(c.Delivered),
		FailedAttempts:    count(c.FailedAttempts),
		Pending:           count(c.Pending),
		DeadLettered:      count(c.DeadLettered),
		OldestPendingTime: optionalSeconds(c.OldestPending),
		LastSuccessTime:   optionalSeconds(c.LastSuccess),
		LastFailureTime:   optionalSeconds(c.LastFailure),
	}
}

// lastFailure returns a failed attempt as the API keeps it.
func lastFailure(f Failure) hookv1.LastFailure {
	out := hookv1.LastFailure{
		Time:            optionalSeconds(f.Time),
		EventID:         bounded(f.EventID, maxEventID),
		Reason:          bounded(f.Reason, maxReason),
		Message:         bounded(f.Message, maxFailureMessage),
		NextAttemptTime: optionalSeconds(f.NextAttempt),
	}
	if f.StatusCode >= 100 && f.StatusCode <= 999 {
		out.StatusCode = int32(f.StatusCode)
	}
	return out
}

// recentFailures returns the newest failed attempts as the API keeps them.
func recentFailures(failures []Failure) []hookv1.RecentFailure {
	var out []hookv1.RecentFailure
	for _, f := range failures[:min(len(failures), maxRecentFailures)] {
		out = append(out, hookv1.RecentFailure{
			LastFailure: lastFailure(f),
			EventType:   bounded(f.EventType, maxEventType),
			Attempt:     int32(min(max(f.Attempt, 0), 1000)),
		})
	}
	return out
}
