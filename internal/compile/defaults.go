// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/retry"
)

// Defaults are the platform's values for what a spec leaves open. They stand in the configuration
// file of both binaries, so that a platform can change them for everyone.
type Defaults struct {
	// Timeout bounds one attempt.
	Timeout time.Duration
	// Concurrency is how many requests to one endpoint may be in flight.
	Concurrency int
	// RateLimit bounds the requests to one endpoint; nil means no limit.
	RateLimit *RateLimit
	// Breaker configures the circuit breaker.
	Breaker breaker.Config
	// RetryDelays are the waits after the first, the second, … failed attempt.
	RetryDelays []time.Duration
	// RetryJitterPercent is by how much a wait may differ, in both directions.
	RetryJitterPercent int
	// GiveUpOn lists statuses that are not worth a retry.
	GiveUpOn []int
	// MaxAge is how old a delivery may grow before it is dead-lettered.
	MaxAge time.Duration
}

// RateLimit is a number of requests in a length of time.
type RateLimit struct {
	Requests int
	Per      time.Duration
}

// BuiltinDefaults returns the defaults of a platform that configures none.
func BuiltinDefaults() Defaults {
	return Defaults{
		Timeout:            15 * time.Second,
		Concurrency:        16,
		Breaker:            breaker.DefaultConfig(),
		RetryDelays:        retry.DefaultDelays(),
		RetryJitterPercent: retry.DefaultJitterPercent,
		MaxAge:             retry.DefaultMaxAge,
	}
}
