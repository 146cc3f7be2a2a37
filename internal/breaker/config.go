// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package breaker

import "time"

// Config tunes a Breaker. Members that are zero or below take their default.
type Config struct {
	// FailureThreshold is how many failures in a row open the circuit; 5 by default.
	FailureThreshold int
	// OpenDuration is how long the circuit stays open before its first probe; 30 s by default. It
	// doubles with each probe that fails.
	OpenDuration time.Duration
	// MaxOpenDuration is what OpenDuration grows to; 10 minutes by default, and never below
	// OpenDuration.
	MaxOpenDuration time.Duration
	// Probes is how many good probes close the circuit; 2 by default.
	Probes int
}

// DefaultConfig returns the built-in configuration.
func DefaultConfig() Config {
	return Config{
		FailureThreshold: 5,
		OpenDuration:     30 * time.Second,
		MaxOpenDuration:  10 * time.Minute,
		Probes:           2,
	}
}

// withDefaults fills in what is not set.
func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.FailureThreshold <= 0 {
		c.FailureThreshold = d.FailureThreshold
	}
	if c.OpenDuration <= 0 {
		c.OpenDuration = d.OpenDuration
	}
	if c.MaxOpenDuration <= 0 {
		c.MaxOpenDuration = d.MaxOpenDuration
	}
	if c.Probes <= 0 {
		c.Probes = d.Probes
	}
	c.MaxOpenDuration = max(c.MaxOpenDuration, c.OpenDuration)
	return c
}
