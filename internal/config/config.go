// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/posthorn-dev/posthorn/internal/compile"
)

// Config is what a platform configures for all its tenants.
type Config struct {
	Egress    Egress
	Defaults  compile.Defaults
	Storage   Storage
	Retention Retention
	Ingest    Ingest
}

// Egress says which destinations are admitted beside public addresses.
type Egress struct {
	// Allow lists ranges that every namespace may send to, though they are not public.
	Allow []netip.Prefix
	// NamespaceAllow lists ranges that one namespace may send to.
	NamespaceAllow map[string][]netip.Prefix
	// ClusterCIDRs are the cluster's own ranges (Services, pods, nodes), which count as private
	// whatever they are.
	ClusterCIDRs []netip.Prefix
	// ProxyFromEnvironment makes the dispatcher honour HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
	ProxyFromEnvironment bool
}

// Storage bounds what the event log holds.
type Storage struct {
	// MaxBytes is what all streams together may take; 0 means 80 % of the file system.
	MaxBytes int64
	// SyncAlways makes each write reach the disk before a producer is answered.
	SyncAlways bool
	// NamespaceShare is how much of it one namespace may hold.
	NamespaceShare Share
	// NamespaceShares are the shares of namespaces that have one of their own.
	NamespaceShares map[string]Share
}

// ShareOf returns how many of total bytes the namespace may hold.
func (s Storage) ShareOf(namespace string, total int64) int64 {
	if share, ok := s.NamespaceShares[namespace]; ok {
		return share.Of(total)
	}
	return s.NamespaceShare.Of(total)
}

// Retention says how long what is settled is kept.
type Retention struct {
	// Events are those that every delivery of is settled.
	Events Keep
	// Attempts is the attempt log.
	Attempts Keep
	// DeadLetters are the deliveries that ended without success.
	DeadLetters Keep
}

// Keep bounds one stream. The bound that is reached first counts.
type Keep struct {
	// Age is how long an entry is kept.
	Age time.Duration
	// MaxBytes is how much is kept; 0 means that only the age and the storage bound it.
	MaxBytes int64
}

// Ingest bounds what producers send.
type Ingest struct {
	// RateLimit is how many events one namespace may send; nil means no limit.
	RateLimit *compile.RateLimit
	// NamespaceRateLimits are the limits of namespaces that have one of their own.
	NamespaceRateLimits map[string]compile.RateLimit
}

// RateLimitOf returns the limit of the namespace; nil means that it has none.
func (i Ingest) RateLimitOf(namespace string) *compile.RateLimit {
	if limit, ok := i.NamespaceRateLimits[namespace]; ok {
		return &limit
	}
	return i.RateLimit
}

// Default returns the configuration of a platform that configures nothing.
func Default() *Config {
	const day = 24 * time.Hour
	return &Config{
		Defaults: compile.BuiltinDefaults(),
		Storage:  Storage{NamespaceShare: Share{Percent: 25}},
		Retention: Retention{
			Events:      Keep{Age: 7 * day},
			Attempts:    Keep{Age: 7 * day},
			DeadLetters: Keep{Age: 30 * day},
		},
	}
}

// Load reads the file at path. An empty path gives the defaults.
func Load(path string) (*Config, error) {
	if path == "" {
		return Default(), nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return c, nil
}
