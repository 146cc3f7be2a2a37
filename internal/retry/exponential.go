// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"math"
	"time"
)

// MaxAttempts bounds what Exponential expands to.
const MaxAttempts = 100

// Exponential expands an exponential backoff to delays: the first is initial, each following one is
// multiplier times the one before, and none is above longest. The number of attempts includes the first
// one, so that there is one delay less; it is at most MaxAttempts. A multiplier below 1 counts as 1.
func Exponential(initial, longest time.Duration, multiplier float64, attempts int) []time.Duration {
	attempts = min(attempts, MaxAttempts)
	if attempts <= 1 {
		return nil
	}
	if math.IsNaN(multiplier) || multiplier < 1 {
		multiplier = 1
	}
	delays := make([]time.Duration, attempts-1)
	next := min(float64(max(initial, 0)), float64(longest))
	for i := range delays {
		delays[i] = time.Duration(next)
		next = min(next*multiplier, float64(longest))
	}
	return delays
}
