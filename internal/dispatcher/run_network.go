// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/posthorn-dev/posthorn/internal/egress"
)

const (
	// networkInterval is how often the cluster's own addresses are read.
	networkInterval = 5 * time.Minute
	// networkRetry is the first wait after a reading that failed, and networkMaxRetry the longest while the
	// API server is away, since at the start nothing is routed before it answers.
	networkRetry, networkMaxRetry = time.Second, 10 * time.Second
	// networkMemory is how long an address that was the API server's stays one. A server that restarts
	// takes its address from the endpoints and puts it back, between two readings maybe.
	networkMemory = 24 * time.Hour
)

// network keeps the rules of egress in step with the cluster: where its API server is, which nobody's
// webhooks reach, and what the ranges of its Services are, which count as private. What cannot be read
// stays as it is known.
type network struct {
	logger *slog.Logger
	// rules are the platform's.
	rules egress.Rules
	// apply takes a policy when it is another one than before.
	apply func(*egress.Policy)
	// apiServer is what is read for the addresses of the API server, services for the ranges of Services.
	apiServer []*reading[netip.Addr]
	services  *reading[netip.Prefix]
	// seen holds when an address was the API server's.
	seen map[netip.Addr]time.Time
	// applied are the rules of the policy that was applied last; nil before the first.
	applied *egress.Rules
	// known is closed once all was read that the dispatcher may read.
	known chan struct{}
}

// reading is one thing that is read, and what was read last.
type reading[T any] struct {
	what string
	read func(context.Context) ([]T, error)
	last []T
	// failed says that the last attempt failed, which was logged.
	failed bool
}

// outcome is how a reading went, from good to bad.
type outcome int

const (
	// isRead means that all is known.
	isRead outcome = iota
	// isRefused means that the dispatcher lacks a right, as it may for good.
	isRefused
	// isUnread means that the API server, or DNS, did not answer.
	isUnread
)

// try reads once. A failure is logged when it begins.
func (r *reading[T]) try(ctx context.Context, logger *slog.Logger) outcome {
	got, err := r.read(ctx)
	if err == nil {
		r.last, r.failed = got, false
		return isRead
	}
	if !r.failed && ctx.Err() == nil {
		r.failed = true
		logger.Warn("Failed to read the cluster's own addresses, going by what is known", "what", r.what, "error", err)
	}
	if apierrors.IsForbidden(err) {
		return isRefused
	}
	return isUnread
}

// run reads until ctx ends, again soon after a failure.
func (n *network) run(ctx context.Context) error {
	retry := networkRetry
	for first := true; ; {
		o, err := n.look(ctx, time.Now())
		if err != nil {
			return err
		}
		if first && o != isUnread {
			first = false
			close(n.known)
		}
		wait := networkInterval
		switch o {
		case isRead:
			retry = networkRetry
		case isRefused: // a right that is missing may be on its way
			wait = retry
			retry = min(2*retry, networkInterval)
		case isUnread:
			wait = min(retry, networkMaxRetry)
			retry = 2 * wait
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// await waits until all is known that the dispatcher may know, or ctx ends, and reports which.
func (n *network) await(ctx context.Context) bool {
	select {
	case <-n.known:
		return true
	case <-ctx.Done():
		return false
	}
}

// look reads everything once, and applies what came of it.
func (n *network) look(ctx context.Context, now time.Time) (outcome, error) {
	worst := n.services.try(ctx, n.logger)
	for _, r := range n.apiServer {
		worst = max(worst, r.try(ctx, n.logger))
		for _, addr := range r.last {
			n.seen[addr] = now
		}
	}
	maps.DeleteFunc(n.seen, func(_ netip.Addr, at time.Time) bool { return now.Sub(at) > networkMemory })
	return worst, n.update()
}

// update applies the rules when they changed.
func (n *network) update() error {
	rules := n.rules
	rules.APIServer = slices.SortedFunc(maps.Keys(n.seen), netip.Addr.Compare)
	rules.Cluster = slices.Concat(rules.Cluster, n.services.last)
	if last := n.applied; last != nil && slices.Equal(last.APIServer, rules.APIServer) && slices.Equal(last.Cluster, rules.Cluster) {
		return nil
	}
	policy, err := egress.NewPolicy(rules)
	if err != nil {
		return fmt.Errorf("configure egress: %w", err)
	}
	n.applied = &rules
	n.apply(policy)
	n.logger.Info("Changed what egress knows of the cluster", "apiServer", rules.APIServer, "ranges", rules.Cluster)
	return nil
}
