// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Duration is a length of time as people write it: one to four numbers of at most five digits, each
// with a unit of h, m, s or ms, such as 30s or 1h30m (GEP-2257 of the Gateway API).
//
// It is kept as it was written. A metav1.Duration would turn 720h into 720h0m0s, which GitOps shows
// as drift and server-side apply as a conflict of a manifest with itself.
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(h|m|s|ms)){1,4}$`
type Duration string

// durationPattern is the pattern of the schema: Go's own parser also takes fractions, signs and
// shorter units.
var durationPattern = regexp.MustCompile(`^([0-9]{1,5}(h|m|s|ms)){1,4}$`)

// Parse returns the length of time. The error repeats the value and says how to write one.
func (d Duration) Parse() (time.Duration, error) {
	if !durationPattern.MatchString(string(d)) {
		return 0, fmt.Errorf("parse duration %q: write numbers with the units h, m, s or ms, such as 30s or 1h30m", string(d))
	}
	parsed, err := time.ParseDuration(string(d))
	if err != nil {
		return 0, fmt.Errorf("parse duration %q: %w", string(d), err)
	}
	return parsed, nil
}

// NewDuration writes a length of time in its shortest form, such as 10m instead of 10m0s. What is
// less than a millisecond is cut off, and what is negative becomes 0s.
func NewDuration(d time.Duration) Duration {
	if d < time.Millisecond {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	return Duration(b.String())
}
