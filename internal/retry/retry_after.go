// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"net/http"
	"strings"
	"time"
)

// maxRetryAfter is the longest wait that ParseRetryAfter returns: a year, which no schedule reaches
// and which cannot overflow what is added to it.
const maxRetryAfter = 365 * 24 * time.Hour

// ParseRetryAfter reads the value of a Retry-After header (RFC 9110, section 10.2.3): whole seconds,
// or an HTTP date, which is measured from now. A date that has passed is a wait of zero; a wait of more
// than a year is cut to that. False means that the value is neither.
func ParseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.Trim(value, " \t")
	if seconds, ok := parseSeconds(value); ok {
		return seconds, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}

// parseSeconds reads digits alone: no sign, no fraction.
func parseSeconds(value string) (time.Duration, bool) {
	if value == "" {
		return 0, false
	}
	var wait time.Duration
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return 0, false
		}
		// Cut at every digit, so that no number of digits overflows.
		wait = min(wait*10+time.Duration(c-'0')*time.Second, maxRetryAfter)
	}
	return wait, true
}
