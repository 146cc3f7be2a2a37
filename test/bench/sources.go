// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

const (
	// sourceFew and sourceMany are how many objects are watched when the memory is read.
	sourceFew, sourceMany = 10_000, 50_000
	// sourceNamespaces and sourceCount are how many namespaces and sources there are when a start is measured.
	sourceNamespaces, sourceCount = 1_000, 100
	// sourceWrites is how many objects one run of the flow creates.
	sourceWrites = 10_000
	// sourceRate is how many changes a second the latency is measured at, and sourceSeconds for how long.
	sourceRate, sourceSeconds = 50, 20
	// sourceReader is the ServiceAccount whose rights the sources have.
	sourceReader = "reader"
	// sourceDispatcher is the dispatcher's own account, as the audit log has it.
	sourceDispatcher = "system:serviceaccount:" + platform.Namespace + ":posthorn-dispatcher"
)

// watched are the kinds that are watched, with their resources.
var watched = []struct{ apiVersion, kind, group, resource string }{
	{"v1", "ConfigMap", "", "configmaps"},
	{"v1", "Pod", "", "pods"},
	{"apps/v1", "Deployment", "apps", "deployments"},
}

// newWatching makes a tenant whose sources may read what is watched, and grants that to the dispatcher: no controller
// puts its aggregated role together.
func newWatching(ctx context.Context, p *platform.Platform) (*tenant, error) {
	role := "posthorn-source-reader-workloads"
	err := p.Admin.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: platform.Namespace, Name: "posthorn-dispatcher"}},
	})
	if client.IgnoreAlreadyExists(err) != nil {
		return nil, fmt.Errorf("grant the dispatcher what it watches: %w", err)
	}
	t, err := newTenant(ctx, p)
	if err != nil {
		return nil, err
	}
	return t, t.reader(ctx)
}

// reader makes the account whose rights sources have.
func (t *tenant) reader(ctx context.Context) error {
	common := metav1.ObjectMeta{
		Namespace: t.namespace, Name: sourceReader, Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue},
	}
	var rules []rbacv1.PolicyRule
	for _, w := range watched {
		rules = append(rules, rbacv1.PolicyRule{
			APIGroups: []string{w.group}, Resources: []string{w.resource}, Verbs: []string{"list", "watch"},
		})
	}
	for _, o := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: common},
		&rbacv1.Role{ObjectMeta: common, Rules: rules},
		&rbacv1.RoleBinding{
			ObjectMeta: common,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: sourceReader},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: t.namespace, Name: sourceReader}},
		},
	} {
		if err := t.platform.Admin.Create(ctx, o); err != nil {
			return fmt.Errorf("create reader: %w", err)
		}
	}
	return nil
}

// source makes a source of one of the kinds that are watched.
func (t *tenant) source(ctx context.Context, kind int, operations ...hookv1.Operation) error {
	w := watched[kind]
	s := &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: strings.ToLower(w.kind)},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: sourceReader,
			Resources:          []hookv1.WatchedResource{{APIVersion: w.apiVersion, Kind: w.kind}},
			Operations:         operations,
		},
	}
	if err := t.platform.Admin.Create(ctx, s); err != nil {
		return fmt.Errorf("create source: %w", err)
	}
	return nil
}

// awaitSources waits until all sources of a namespace, or of all namespaces, are as they should be.
func awaitSources(ctx context.Context, p *platform.Platform, namespace, what string, is func(*hookv1.WebhookEventSource) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return platform.Await(ctx, what, func(ctx context.Context) error {
		var list hookv1.WebhookEventSourceList
		if err := p.Admin.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return fmt.Errorf("list sources: %w", err)
		}
		for i := range list.Items {
			if err := is(&list.Items[i]); err != nil {
				return fmt.Errorf("source %s: %w", list.Items[i].Name, err)
			}
		}
		return nil
	})
}

// isWatching returns an error unless the source watches.
func isWatching(s *hookv1.WebhookEventSource) error {
	c := meta.FindStatusCondition(s.Status.Conditions, hookv1.ConditionWatching)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != s.Generation {
		return fmt.Errorf("it does not watch: %+v", c)
	}
	return nil
}

// readyWatching starts a dispatcher, and waits until the tenant's sources watch.
func (s *session) readyWatching(ctx context.Context, t *tenant) (*platform.Dispatcher, error) {
	d, err := s.ready(ctx, t, "")
	if err != nil {
		return nil, err
	}
	if err := awaitSources(ctx, t.platform, t.namespace, "the sources watch", isWatching); err != nil {
		discard(d)
		return nil, err
	}
	return d, nil
}

// benchSourceMemory measures what the dispatcher takes for objects that a source watches and does not compare with
// what they were.
func benchSourceMemory(ctx context.Context, s *session) ([]figure, error) {
	p, err := s.newPlatform()
	if err != nil {
		return nil, err
	}
	t, err := newWatching(ctx, p)
	if err != nil {
		return nil, err
	}
	debug, err := debugAddress()
	if err != nil {
		return nil, err
	}
	d, err := p.NewDispatcher(ctx, platform.DispatcherOptions{Config: configuration, Args: []string{"--debug-address", debug}})
	if err != nil {
		return nil, err
	}
	if err := t.source(ctx, 1, hookv1.OperationUpdated, hookv1.OperationDeleted); err != nil {
		return nil, err
	}
	if err := d.Start(); err != nil {
		return nil, err
	}
	defer d.Kill()
	if err := awaitSources(ctx, p, t.namespace, "the source watches", isWatching); err != nil {
		return nil, err
	}
	counts := []int{0, s.scaled(sourceFew), s.scaled(sourceMany)}
	taken := make([]float64, len(counts))
	for i, n := range counts {
		if i > 0 {
			if err := t.pods(ctx, s, counts[i-1], n); err != nil {
				return nil, err
			}
		}
		if taken[i], err = resident(ctx, d.Process, debug); err != nil {
			return nil, err
		}
		s.say("%d objects: %.1f MiB", n, taken[i])
	}
	each := (taken[2] - taken[1]) * mebibyte / float64(counts[2]-counts[1])
	return []figure{
		single("source_memory_0", "(j) the dispatcher with a source of no Pods", "MiB", "", taken[0]),
		single("source_memory_10000", "(j) the same with 10,000 Pods", "MiB", "", taken[1]),
		single("source_memory_50000", "(j) the same with 50,000 Pods", "MiB", "", taken[2]),
		single("source_memory_object", "(j) each Pod of the last 40,000", "bytes", "< 1024", each),
	}, nil
}

// pods makes the Pods with the numbers from one on up to another, and waits until the source counts them.
func (t *tenant) pods(ctx context.Context, s *session, from, to int) error {
	began := time.Now()
	err := parallel(to-from, func(i int) error {
		if err := t.platform.Admin.Create(ctx, newPod(t.namespace, from+i)); err != nil {
			return fmt.Errorf("create pod: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.say("created %d Pods in %.0f s", to-from, time.Since(began).Seconds())
	return awaitSources(ctx, t.platform, t.namespace, "the source counts all objects", func(s *hookv1.WebhookEventSource) error {
		if s.Status.Objects == nil || *s.Status.Objects != int64(to) {
			return fmt.Errorf("it counts %v objects, want %d", s.Status.Objects, to)
		}
		return nil
	})
}

// newPod is a Pod as a Deployment makes them, of some 5 KB with what the API server adds.
func newPod(namespace string, number int) *corev1.Pod {
	container := func(name string) corev1.Container {
		c := corev1.Container{
			Name: name, Image: "registry.example.com/shop/" + name + "@sha256:" + strings.Repeat("ab", 32),
			Args:           []string{"--listen=:8080", "--log-format=json", "--config=/etc/" + name + "/config.yaml"},
			Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090}},
			VolumeMounts:   []corev1.VolumeMount{{Name: "config", MountPath: "/etc/" + name}, {Name: "tmp", MountPath: "/tmp"}},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz"}}},
		}
		c.ReadinessProbe.HTTPGet.Port.StrVal, c.ReadinessProbe.HTTPGet.Port.Type = "http", 1
		for i := range 8 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: fmt.Sprintf("value of setting %d", i)})
		}
		return c
	}
	name := fmt.Sprintf("orders-7d9f8c6b5d-%05d", number)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Labels: map[string]string{
				"app.kubernetes.io/name": "orders", "app.kubernetes.io/part-of": "shop", "pod-template-hash": "7d9f8c6b5d",
			},
			Annotations: map[string]string{"prometheus.io/scrape": "true", "checksum/config": strings.Repeat("cd", 32)},
		},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{container("orders"), container("proxy")},
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
					LocalObjectReference: corev1.LocalObjectReference{Name: "orders"},
				}}},
				{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	}
}

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

// newConfigMap is a ConfigMap of some 1 KB.
func newConfigMap(namespace, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app.kubernetes.io/name": "orders"}},
		Data:       map[string]string{"config.yaml": strings.Repeat("setting: value\n", 50)},
	}
}

// write creates ConfigMaps by 16 clients.
func write(ctx context.Context, p *platform.Platform, namespace, prefix string, n int) error {
	return parallel(n, func(i int) error {
		if err := p.Admin.Create(ctx, newConfigMap(namespace, fmt.Sprintf("%s-%06d", prefix, i))); err != nil {
			return fmt.Errorf("create object: %w", err)
		}
		return nil
	})
}

// accepted waits until ingest has accepted so many events of sources, and returns an error if there are more.
func accepted(ctx context.Context, d *platform.Dispatcher, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var got float64
	err := platform.Await(ctx, "all events are accepted", func(ctx context.Context) error {
		m, err := d.ReadMetrics(ctx)
		if err != nil {
			return err
		}
		if got = m[`posthorn_source_events_total{kind="ConfigMap"}`]; got < float64(n) {
			return fmt.Errorf("%v events are accepted, want %d", got, n)
		}
		return nil
	})
	if err == nil && got != float64(n) {
		err = fmt.Errorf("%v events are accepted of %d changes", got, n)
	}
	return err
}

// benchSourceFlow measures how many changes a second become events, against how many the API server takes where
// nobody watches.
func benchSourceFlow(ctx context.Context, s *session) ([]figure, error) {
	p, err := s.platform()
	if err != nil {
		return nil, err
	}
	t, err := newWatching(ctx, p)
	if err != nil {
		return nil, err
	}
	unwatched, _, err := p.Tenant(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.source(ctx, 0); err != nil {
		return nil, err
	}
	d, err := s.readyWatching(ctx, t)
	if err != nil {
		return nil, err
	}
	defer discard(d)
	n := s.scaled(sourceWrites)
	var rate pairs
	for i := range s.pairs {
		prefix := fmt.Sprintf("run-%d", i)
		began := time.Now()
		if err := write(ctx, p, unwatched, prefix, n); err != nil {
			return nil, err
		}
		base := float64(n) / time.Since(began).Seconds()
		began = time.Now()
		if err := write(ctx, p, t.namespace, prefix, n); err != nil {
			return nil, err
		}
		if err := accepted(ctx, d, (i+1)*n); err != nil {
			return nil, err
		}
		got := float64(n) / time.Since(began).Seconds()
		s.say("pair %d: %.0f writes/s, %.0f events/s", i+1, base, got)
		rate.add(base, got)
	}
	return []figure{rate.figure("source_flow", "(l) API writes to accepted events", "events/s", "")}, nil
}

// benchSourceLatency measures from before a change of a resource to the webhook.
func benchSourceLatency(ctx context.Context, s *session) ([]figure, error) {
	p, err := s.platform()
	if err != nil {
		return nil, err
	}
	t, err := newWatching(ctx, p)
	if err != nil {
		return nil, err
	}
	objects := make([]*corev1.ConfigMap, s.scaled(sourceRate*sourceSeconds))
	err = parallel(len(objects), func(i int) error {
		objects[i] = newConfigMap(t.namespace, fmt.Sprintf("e%09d", i))
		if err := p.Admin.Create(ctx, objects[i]); err != nil {
			return fmt.Errorf("create object: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := t.endpoint(ctx, "changes", s.receiver.url("/r/0"), nil); err != nil {
		return nil, err
	}
	// The receiver knows the requests by the number in their id.
	err = t.subscription(ctx, "changes", "changes", "dev.posthorn.kubernetes.core.configmap.updated", func(spec *hookv1.WebhookSubscriptionSpec) {
		spec.Payload = &hookv1.Payload{Format: hookv1.PayloadFormatData, Transform: `{"id": event.data.name}`}
	})
	if err != nil {
		return nil, err
	}
	if err := t.source(ctx, 0); err != nil {
		return nil, err
	}
	d, err := s.readyWatching(ctx, t)
	if err != nil {
		return nil, err
	}
	defer discard(d)
	if err := t.routed(ctx); err != nil {
		return nil, err
	}
	var p50, p99 []float64
	for i := range s.pairs {
		took, err := s.changeLatencies(ctx, p, objects)
		if err != nil {
			return nil, err
		}
		p50, p99 = append(p50, quantile(took, 0.5)), append(p99, quantile(took, 0.99))
		s.say("run %d: p50 %.2f ms, p99 %.2f ms", i+1, p50[i], p99[i])
	}
	return []figure{
		single("source_latency_p50", "(m) API write to received at 50 changes/s, p50", "ms", "< 20", p50...),
		single("source_latency_p99", "(m) the same, p99", "ms", "", p99...),
	}, whole(ctx, d)
}

// changeLatencies changes each object once at the rate, and returns how long each took, in milliseconds, sorted: from
// before the change was asked for to when the receiver had read the webhook.
func (s *session) changeLatencies(ctx context.Context, p *platform.Platform, objects []*corev1.ConfigMap) ([]float64, error) {
	e := load.Expectation{Paths: 1, Events: len(objects)}
	if err := s.receiver.expect(ctx, e); err != nil {
		return nil, err
	}
	sent, err := change(ctx, p, objects)
	if err != nil {
		return nil, err
	}
	if _, err := s.receiver.receipt(ctx, e, time.Minute); err != nil {
		return nil, fmt.Errorf("latency of changes: %w", err)
	}
	arrived, err := s.receiver.arrivals(ctx)
	if err != nil {
		return nil, err
	}
	// The first ones make connections; they are not counted.
	var took []float64
	for i := len(objects) / 10; i < len(objects); i++ {
		took = append(took, float64(arrived[i]-sent[i])/1e6)
	}
	slices.Sort(took)
	return took, nil
}

// change changes each object once at the rate, and returns when each change was begun, in nanoseconds since 1970.
func change(ctx context.Context, p *platform.Platform, objects []*corev1.ConfigMap) ([]int64, error) {
	sent := make([]int64, len(objects))
	tick := time.NewTicker(time.Second / sourceRate)
	defer tick.Stop()
	group, ctx := errgroup.WithContext(ctx)
	for i, o := range objects {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(group.Wait(), context.Cause(ctx))
		}
		group.Go(func() error {
			sent[i] = time.Now().UnixNano()
			o.Data["changed"] = time.Now().Format(time.RFC3339Nano)
			if err := p.Admin.Update(ctx, o); err != nil {
				return fmt.Errorf("change object: %w", err)
			}
			return nil
		})
	}
	return sent, group.Wait()
}
