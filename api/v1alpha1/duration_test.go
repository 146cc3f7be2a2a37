// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"strings"
	"testing"
	"time"
)

func TestDuration_Parse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		duration Duration
		want     time.Duration
		wantErr  bool
	}{
		"one unit":                      {duration: "15s", want: 15 * time.Second},
		"several units":                 {duration: "1h30m5s250ms", want: time.Hour + 30*time.Minute + 5*time.Second + 250*time.Millisecond},
		"zero":                          {duration: "0s"},
		"the longest":                   {duration: "99999h99999m99999s99999ms", want: 99999*time.Hour + 99999*time.Minute + 99999*time.Second + 99999*time.Millisecond},
		"nothing":                       {duration: "", wantErr: true},
		"a number without a unit":       {duration: "15", wantErr: true},
		"a fraction, which Go takes":    {duration: "1.5h", wantErr: true},
		"a sign, which Go takes":        {duration: "-1h", wantErr: true},
		"microseconds, which Go takes":  {duration: "10us", wantErr: true},
		"days":                          {duration: "1d", wantErr: true},
		"five parts":                    {duration: "1h1m1s1ms1ms", wantErr: true},
		"six digits":                    {duration: "100000h", wantErr: true},
		"a space":                       {duration: "1h 30m", wantErr: true},
		"a line break after a duration": {duration: "1h\n", wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.duration.Parse()
			if (err != nil) != tc.wantErr || got != tc.want {
				t.Fatalf("Parse(%q) = %v, %v; want %v, error %t", tc.duration, got, err, tc.want, tc.wantErr)
			}
			if err != nil && !strings.Contains(err.Error(), "such as 30s") {
				t.Errorf("error without a remedy: %v", err)
			}
		})
	}
}

func TestNewDuration_IsShort(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		duration time.Duration
		want     Duration
	}{
		"whole hours":                {duration: 720 * time.Hour, want: "720h"},
		"whole minutes":              {duration: 10 * time.Minute, want: "10m"},
		"all units":                  {duration: time.Hour + 2*time.Minute + 3*time.Second + 4*time.Millisecond, want: "1h2m3s4ms"},
		"less than a millisecond":    {duration: 999 * time.Microsecond, want: "0s"},
		"below zero":                 {duration: -time.Second, want: "0s"},
		"a millisecond and a little": {duration: time.Millisecond + time.Microsecond, want: "1ms"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := NewDuration(tc.duration); got != tc.want {
				t.Errorf("NewDuration(%v) = %q, want %q", tc.duration, got, tc.want)
			}
		})
	}
}

func FuzzDuration_SurvivesTheRoundTrip(f *testing.F) {
	f.Add("1h30m")
	f.Add("99999h")
	f.Add("0ms")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Duration(text).Parse()
		if err != nil {
			return
		}
		if parsed < 0 {
			t.Fatalf("Parse(%q) = %v, below zero", text, parsed)
		}
		if parsed >= 100_000*time.Hour {
			return // more digits than the pattern has
		}
		again, err := NewDuration(parsed).Parse()
		if err != nil || again != parsed {
			t.Fatalf("%q is %v, written as %q is %v, %v", text, parsed, NewDuration(parsed), again, err)
		}
	})
}
