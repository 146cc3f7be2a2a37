// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"
	"time"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/retry"
)

// defaultMultiplier is the factor of an exponential schedule that names none, as the schema has it.
const defaultMultiplier = 2

// Retry returns the retry policy of what has no spec.
func (d Defaults) Retry() *retry.Policy {
	return &retry.Policy{
		Delays:        d.RetryDelays,
		JitterPercent: d.RetryJitterPercent,
		GiveUpOn:      d.GiveUpOn,
		MaxAge:        d.MaxAge,
	}
}

// compileRetry merges the retry policy of a spec with the defaults.
func compileRetry(r *hookv1.Retry, d Defaults) (*retry.Policy, error) {
	p := d.Retry()
	if r == nil {
		return p, nil
	}
	var f durations
	switch {
	case r.Type == hookv1.RetryTypeSchedule && r.Schedule != nil:
		p.Delays = f.schedule(r.Schedule.Delays)
		setPercent(r.Schedule.JitterPercent, &p.JitterPercent)
	case r.Type == hookv1.RetryTypeExponential && r.Exponential != nil:
		p.Delays = f.exponential(r.Exponential)
		setPercent(r.Exponential.JitterPercent, &p.JitterPercent)
	case r.Type != "":
		return nil, fieldErrorf("spec.retry", "the member named after type must be set: write schedule for Schedule, exponential for Exponential")
	}
	if r.GiveUpOn != nil {
		p.GiveUpOn = make([]int, len(r.GiveUpOn))
		for i, status := range r.GiveUpOn {
			p.GiveUpOn[i] = int(status)
		}
	}
	f.read("spec.retry.maxAge", r.MaxAge, &p.MaxAge)
	if f.err != nil {
		return nil, f.err
	}
	return p, nil
}

// schedule reads the delays of a schedule.
func (f *durations) schedule(raw []hookv1.Duration) []time.Duration {
	delays := make([]time.Duration, len(raw))
	for i, d := range raw {
		f.read(fmt.Sprintf("spec.retry.schedule.delays[%d]", i), d, &delays[i])
	}
	return delays
}

// exponential expands an exponential schedule.
func (f *durations) exponential(e *hookv1.RetryExponential) []time.Duration {
	const path = "spec.retry.exponential"
	var initial, longest time.Duration
	f.read(path+".initial", e.Initial, &initial)
	f.read(path+".max", e.Max, &longest)
	multiplier := e.Multiplier
	if multiplier == 0 {
		multiplier = defaultMultiplier
	}
	return retry.Exponential(initial, longest, float64(multiplier), int(e.Attempts))
}

// setPercent sets into where the spec has the field; 0 is a value of its own.
func setPercent(raw *int32, into *int) {
	if raw != nil {
		*into = int(*raw)
	}
}
