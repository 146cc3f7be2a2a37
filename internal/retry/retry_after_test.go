// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package retry_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/retry"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const year = 365 * 24 * time.Hour

func TestParseRetryAfter_Forms(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value  string
		want   time.Duration
		wantOK bool
	}{
		"seconds":                        {"120", 2 * time.Minute, true},
		"no wait":                        {"0", 0, true},
		"seconds with spaces around":     {" 7\t", 7 * time.Second, true},
		"leading zeros":                  {"007", 7 * time.Second, true},
		"more seconds than a number has": {"99999999999999999999999999", year, true},
		"an HTTP date":                   {"Mon, 23 Nov 2026 12:01:30 GMT", 90 * time.Second, true},
		"a date that has passed":         {"Mon, 23 Nov 2026 11:00:00 GMT", 0, true},
		"a date of RFC 850":              {"Monday, 23-Nov-26 12:00:10 GMT", 10 * time.Second, true},
		"a date of asctime":              {"Mon Nov 23 12:00:10 2026", 10 * time.Second, true},
		"a date far away":                {"Fri, 31 Dec 9999 23:59:59 GMT", year, true},
		"nothing":                        {"", 0, false},
		"a sign":                         {"-5", 0, false},
		"a plus sign":                    {"+5", 0, false},
		"a fraction":                     {"1.5", 0, false},
		"a unit":                         {"5s", 0, false},
		"words":                          {"soon", 0, false},
		"digits of another script":       {"٣", 0, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := retry.ParseRetryAfter(tc.value, now)
			if got != tc.want || ok != tc.wantOK {
				t.Errorf("ParseRetryAfter(%q) = %s, %t, want %s, %t", tc.value, got, ok, tc.want, tc.wantOK)
			}
		})
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, value := range []string{"120", "", "99999999999999999999", now.Format(http.TimeFormat), "Mon Nov 23 12:00:10 2026"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := retry.ParseRetryAfter(value, now)
		if got < 0 || got > year || !ok && got != 0 {
			t.Errorf("ParseRetryAfter(%q) = %s, %t", value, got, ok)
		}
	})
}
