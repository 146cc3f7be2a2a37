// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"time"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// Bounds of the defaults. They are those of the fields of the resources, so that a default is never
// what a spec may not say.
const (
	minTimeout     = time.Second
	maxTimeout     = time.Minute
	maxConcurrency = 1000
	maxRequests    = 100_000
	minPer         = time.Second
	maxPer         = 24 * time.Hour
	maxThreshold   = 100
	maxOpen        = time.Hour
	maxOpenGrown   = 24 * time.Hour
	maxProbes      = 10
	maxDelays      = 50
	minDelay       = 100 * time.Millisecond
	maxDelay       = 7 * 24 * time.Hour
	maxGiveUpOn    = 64
	minDeliveryAge = time.Minute
	maxDeliveryAge = 30 * 24 * time.Hour
	// maxKept bounds the ages of retention: ten years.
	maxKept = 10 * 365 * 24 * time.Hour
	// maxEventRate bounds the events per length of time of one namespace.
	maxEventRate = 1_000_000
)

func (r *reader) egress(f fileEgress, into *Egress) {
	into.Allow = r.prefixes("egress.allow", f.Allow)
	into.ClusterCIDRs = r.prefixes("egress.clusterCIDRs", f.ClusterCIDRs)
	into.ProxyFromEnvironment = f.ProxyFromEnvironment
	const path = "egress.namespaceAllow"
	for _, ns := range namespaces(r, path, f.NamespaceAllow) {
		if into.NamespaceAllow == nil {
			into.NamespaceAllow = map[string][]netip.Prefix{}
		}
		into.NamespaceAllow[ns] = r.prefixes(path+"."+ns, f.NamespaceAllow[ns])
	}
}

func (r *reader) defaults(f fileDefaults, into *compile.Defaults) {
	r.duration("defaults.timeout", f.Timeout, minTimeout, maxTimeout, &into.Timeout)
	r.number("defaults.concurrency", f.Concurrency, 1, maxConcurrency, &into.Concurrency)
	if f.RateLimit != nil {
		into.RateLimit = r.rateLimit("defaults.rateLimit", *f.RateLimit, maxRequests)
	}
	r.breaker(f.CircuitBreaker, &into.Breaker)
	r.retry(f.Retry, into)
	r.duration("defaults.maxAge", f.MaxAge, minDeliveryAge, maxDeliveryAge, &into.MaxAge)
}

func (r *reader) breaker(f fileBreaker, into *breaker.Config) {
	const path = "defaults.circuitBreaker"
	r.number(path+".failureThreshold", f.FailureThreshold, 1, maxThreshold, &into.FailureThreshold)
	r.duration(path+".openDuration", f.OpenDuration, time.Second, maxOpen, &into.OpenDuration)
	r.duration(path+".maxOpenDuration", f.MaxOpenDuration, time.Second, maxOpenGrown, &into.MaxOpenDuration)
	r.number(path+".probes", f.Probes, 1, maxProbes, &into.Probes)
	if into.MaxOpenDuration < into.OpenDuration {
		r.fault(path+".maxOpenDuration", "is shorter than openDuration: write at least %s", hookv1.NewDuration(into.OpenDuration))
	}
}

func (r *reader) retry(f fileRetry, into *compile.Defaults) {
	const path = "defaults.retry"
	if len(f.Delays) > maxDelays {
		r.fault(path+".delays", "has %d entries: write at most %d", len(f.Delays), maxDelays)
	}
	if f.Delays != nil {
		into.RetryDelays = make([]time.Duration, len(f.Delays))
	}
	for i := range f.Delays {
		r.duration(fmt.Sprintf("%s.delays[%d]", path, i), &f.Delays[i], minDelay, maxDelay, &into.RetryDelays[i])
	}
	r.number(path+".jitterPercent", f.JitterPercent, 0, 100, &into.RetryJitterPercent)
	if len(f.GiveUpOn) > maxGiveUpOn {
		r.fault(path+".giveUpOn", "has %d entries: write at most %d", len(f.GiveUpOn), maxGiveUpOn)
	}
	if f.GiveUpOn != nil {
		into.GiveUpOn = make([]int, len(f.GiveUpOn))
	}
	for i := range f.GiveUpOn {
		at := fmt.Sprintf("%s.giveUpOn[%d]", path, i)
		r.number(at, &f.GiveUpOn[i], 100, 599, &into.GiveUpOn[i])
		if f.GiveUpOn[i]/100 == 2 {
			r.fault(at, "%d is a success: write statuses of failures", f.GiveUpOn[i])
		}
	}
}

func (r *reader) rateLimit(path string, f fileRateLimit, highest int) *compile.RateLimit {
	limit := &compile.RateLimit{Per: time.Second}
	if f.Requests == nil {
		r.fault(path+".requests", "is missing: write how many are let through, or leave %s out", path)
	}
	r.number(path+".requests", f.Requests, 1, highest, &limit.Requests)
	r.duration(path+".per", f.Per, minPer, maxPer, &limit.Per)
	return limit
}

func (r *reader) storage(f fileStorage, into *Storage) {
	r.size("storage.maxBytes", f.MaxBytes, &into.MaxBytes)
	switch f.Sync {
	case "", "Interval":
	case "Always":
		into.SyncAlways = true
	default:
		r.fault("storage.sync", "%q is not a way to write: write Interval or Always", f.Sync)
	}
	if f.NamespaceShare != nil {
		into.NamespaceShare = r.share("storage.namespaceShare", *f.NamespaceShare)
	}
	const path = "storage.namespaceShares"
	for _, ns := range namespaces(r, path, f.NamespaceShares) {
		if into.NamespaceShares == nil {
			into.NamespaceShares = map[string]Share{}
		}
		into.NamespaceShares[ns] = r.share(path+"."+ns, f.NamespaceShares[ns])
	}
}

func (r *reader) share(path, raw string) Share {
	share, err := parseShare(raw)
	if err != nil {
		r.fault(path, "%v", err)
	}
	return share
}

func (r *reader) retention(f fileRetention, into *Retention) {
	r.keep("retention.events", f.Events, &into.Events)
	r.keep("retention.attempts", f.Attempts, &into.Attempts)
	r.keep("retention.deadLetters", f.DeadLetters, &into.DeadLetters)
}

func (r *reader) keep(path string, f fileKeep, into *Keep) {
	r.duration(path+".age", f.Age, time.Minute, maxKept, &into.Age)
	r.size(path+".maxBytes", f.MaxBytes, &into.MaxBytes)
}

func (r *reader) ingest(f fileIngest, into *Ingest) {
	if f.RateLimit != nil {
		into.RateLimit = r.rateLimit("ingest.rateLimit", *f.RateLimit, maxEventRate)
	}
	const path = "ingest.namespaceRateLimits"
	for _, ns := range namespaces(r, path, f.NamespaceRateLimits) {
		if into.NamespaceRateLimits == nil {
			into.NamespaceRateLimits = map[string]compile.RateLimit{}
		}
		into.NamespaceRateLimits[ns] = *r.rateLimit(path+"."+ns, f.NamespaceRateLimits[ns], maxEventRate)
	}
}
