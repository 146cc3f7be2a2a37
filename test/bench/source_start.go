// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

const (
	// sourceNamespaces and sourceCount are how many namespaces and sources there are when a start is measured.
	sourceNamespaces, sourceCount = 1_000, 100
	// sourceDispatcher is the dispatcher's own account, as the audit log has it.
	sourceDispatcher = "system:serviceaccount:" + platform.Namespace + ":posthorn-dispatcher"
)

// benchSourceStart counts what the dispatcher asks of the API server until all of many sources watch.
func benchSourceStart(ctx context.Context, s *session) ([]figure, error) {
	s.say("starting a control plane with an audit log")
	p, err := platform.Start(controlplane.Options{Audit: true})
	if err != nil {
		return nil, err
	}
	s.all = append(s.all, p)
	if _, err := newWatching(ctx, p); err != nil {
		return nil, err
	}
	namespaces, sources := s.scaled(sourceNamespaces), max(1, s.scaled(sourceNamespaces)*sourceCount/sourceNamespaces)
	s.say("making %d namespaces and %d sources", namespaces, sources)
	err = parallel(namespaces, func(i int) error { return makeWatchedNamespace(ctx, p, i, i < sources) })
	if err != nil {
		return nil, err
	}
	d, err := p.NewDispatcher(ctx, platform.DispatcherOptions{Config: configuration})
	if err != nil {
		return nil, err
	}
	if err := d.Start(); err != nil {
		return nil, err
	}
	defer d.Kill()
	if err := awaitSources(ctx, p, metav1.NamespaceAll, "all sources watch", isWatching); err != nil {
		return nil, err
	}
	took := time.Since(d.Started).Seconds()
	d.Kill() // the audit log has a watch when it ends
	requests, err := requestsOf(ctx, p)
	if err != nil {
		return nil, err
	}
	return append(countRequests(s, requests),
		single("source_start", "(k) from the start of the process until all watch", "s", "", took)), nil
}

// makeWatchedNamespace makes a namespace with an object, and with a source where it is to have one.
func makeWatchedNamespace(ctx context.Context, p *platform.Platform, number int, hasSource bool) error {
	t := &tenant{platform: p, namespace: fmt.Sprintf("team-%04d", number)}
	if err := p.Admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}}); err != nil {
		return fmt.Errorf("create namespace: %w", err)
	}
	if err := p.Admin.Create(ctx, newConfigMap(t.namespace, "settings")); err != nil {
		return fmt.Errorf("create object: %w", err)
	}
	if !hasSource {
		return nil
	}
	if err := t.reader(ctx); err != nil {
		return err
	}
	return t.source(ctx, number%len(watched))
}

// requestsOf returns what the dispatcher, which has ended, asked of the API server, once the audit log has all of it.
func requestsOf(ctx context.Context, p *platform.Platform) ([]controlplane.Request, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var requests []controlplane.Request
	return requests, platform.Await(ctx, "the audit log has the watches of the sources", func(context.Context) error {
		var err error
		if requests, err = p.Plane.Requests(sourceDispatcher); err != nil {
			return err
		}
		for _, w := range watched {
			if !slices.ContainsFunc(requests, func(r controlplane.Request) bool {
				return r.Verb == "watch" && r.Group == w.group && r.Resource == w.resource
			}) {
				return fmt.Errorf("there is no watch of %s", w.resource)
			}
		}
		return nil
	})
}

// countRequests are the figures of requests: all, and those of each verb.
func countRequests(s *session, requests []controlplane.Request) []figure {
	all := []figure{single("source_start_requests", "(k) requests at a start with 1,000 namespaces and 100 sources", "requests", "", float64(len(requests)))}
	verbs, resources := map[string]int{}, map[string]int{}
	for _, r := range requests {
		verbs[r.Verb]++
		resources[r.Verb+" "+orElse(r.Resource, "discovery")]++
	}
	for _, what := range slices.Sorted(maps.Keys(resources)) {
		s.say("%5d %s", resources[what], what)
	}
	for _, verb := range slices.Sorted(maps.Keys(verbs)) {
		all = append(all, single("source_start_"+verb, "(k) of them "+verb, "requests", "", float64(verbs[verb])))
	}
	return all
}

// orElse is the first text, or the second where the first is empty.
func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
