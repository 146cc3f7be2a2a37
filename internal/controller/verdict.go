// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// verdict is a cause for which Ready is not True. It is an error, so that what a step calls can
// return it; it says what is wrong with an object, not that a call failed.
type verdict struct {
	reason, message string
	// status is what becomes of Ready: False, or Unknown while nothing is known to be wrong.
	status metav1.ConditionStatus
	// stalled means that only a change of the spec can help.
	stalled bool
	// unwatched means that no watch will tell when it gets better, so that it is looked at again
	// after recheckInterval.
	unwatched bool
	// told means that the writer of the condition behind it tells the transition in an Event of its own.
	told bool
}

// Error returns the message for the user.
func (v *verdict) Error() string { return v.message }

// waitingf is the verdict on what may still come right by itself.
func waitingf(reason, format string, args ...any) *verdict {
	return &verdict{reason: reason, message: fmt.Sprintf(format, args...), status: metav1.ConditionFalse}
}

// unwatchedf is waitingf for objects that the operator does not watch: Secrets without the label,
// and ConfigMaps.
func unwatchedf(reason, format string, args ...any) *verdict {
	v := waitingf(reason, format, args...)
	v.unwatched = true
	return v
}

// pendingf is the verdict on what is not wrong but not finished.
func pendingf(reason, format string, args ...any) *verdict {
	v := waitingf(reason, format, args...)
	v.status = metav1.ConditionUnknown
	return v
}

// stalledf is the verdict on what no retry can help.
func stalledf(reason, format string, args ...any) *verdict {
	v := waitingf(reason, format, args...)
	v.stalled = true
	return v
}
