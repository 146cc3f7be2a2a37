// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"strings"
	"time"
)

// short prints a duration without the zero minutes and seconds that time.Duration appends to whole
// hours and minutes: 4h rather than 4h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
