// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/change"
)

func TestType(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		group, kind string
		operation   change.Operation
		edge        change.Edge
	}{
		"dev.posthorn.kubernetes.apps.deployment.updated":                       {"apps", "Deployment", change.Updated, change.NoEdge},
		"dev.posthorn.kubernetes.apps.deployment.created":                       {"apps", "Deployment", change.Created, change.Turned},
		"dev.posthorn.kubernetes.core.pod.deleted":                              {"", "Pod", change.Deleted, change.NoEdge},
		"dev.posthorn.kubernetes.cert-manager.io.certificate.updated.recovered": {"cert-manager.io", "Certificate", change.Updated, change.Recovered},
		"dev.posthorn.kubernetes.events.k8s.io.event.created":                   {"events.k8s.io", "Event", change.Created, change.NoEdge},
	}
	for want, tc := range tests {
		if got := change.Type(tc.group, tc.kind, tc.operation, tc.edge); got != want {
			t.Errorf("Type() = %q, want %q", got, want)
		}
	}
}

func TestSourceAndSubject(t *testing.T) {
	t.Parallel()
	if got := change.Source("team-a", "deploys"); got != "/namespaces/team-a/webhookeventsources/deploys" {
		t.Errorf("Source() = %q", got)
	}
	if got := change.Subject("team-a", "shop"); got != "team-a/shop" {
		t.Errorf("Subject() = %q", got)
	}
	if got := change.Subject("", "node-1"); got != "node-1" {
		t.Errorf("Subject() = %q of an object without namespace", got)
	}
}

// What may happen to an object more than once has an id each time, what happens once has one whatever the version.
func TestID(t *testing.T) {
	t.Parallel()
	type args struct {
		version   string
		operation change.Operation
		edge      change.Edge
		finished  bool
		moved     bool
	}
	tests := map[string][]args{
		"u-created":             {{"7", change.Created, change.NoEdge, false, false}, {"8", change.Created, change.NoEdge, false, false}},
		"u-7-updated":           {{"7", change.Updated, change.NoEdge, false, false}},
		"u-8-updated":           {{"8", change.Updated, change.NoEdge, false, false}},
		"u-deleted":             {{"7", change.Deleted, change.NoEdge, false, false}, {"", change.Deleted, change.NoEdge, false, false}},
		"u-7-created-turned":    {{"7", change.Created, change.Turned, false, false}},
		"u-7-updated-turned":    {{"7", change.Updated, change.Turned, false, false}},
		"u-7-updated-recovered": {{"7", change.Updated, change.Recovered, false, false}},
		"u-deleted-turned":      {{"7", change.Deleted, change.Turned, false, false}},
		"u-deleted-recovered":   {{"7", change.Deleted, change.Recovered, false, false}, {"", change.Deleted, change.Recovered, false, false}},
		"u-7-created":           {{"7", change.Created, change.NoEdge, false, true}},
		"u-7-deleted":           {{"7", change.Deleted, change.NoEdge, false, true}},
		"u-7-finished":          {{"7", change.Updated, change.NoEdge, true, false}, {"7", change.Deleted, change.NoEdge, true, false}},
	}
	for want, all := range tests {
		for _, a := range all {
			if got := change.ID("u", a.version, a.operation, a.edge, a.finished, a.moved); got != want {
				t.Errorf("ID(%+v) = %q, want %q", a, got, want)
			}
		}
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	observed := instant(t, "2026-11-23T12:00:00Z")
	deployment, pod := load(t, "deployment"), load(t, "pod")
	managers := change.ManagersOf(deployment)
	tests := map[string]struct {
		operation     change.Operation
		object        map[string]any
		before, after change.Managers
		want          string
	}{
		"a creation is when the object was created":       {change.Created, deployment, nil, managers, "2026-11-20T08:00:00Z"},
		"a creation without a time is when it was seen":   {change.Created, map[string]any{}, nil, managers, "2026-11-23T12:00:00Z"},
		"an update is when the newest fields were set":    {change.Updated, deployment, managers[:1], managers, "2026-11-23T10:30:07Z"},
		"the same where the state before is not known":    {change.Updated, deployment, nil, managers, "2026-11-23T10:30:07Z"},
		"an update that set no fields is when seen":       {change.Updated, deployment, managers, managers, "2026-11-23T12:00:00Z"},
		"an update without managed fields is when seen":   {change.Updated, deployment, nil, nil, "2026-11-23T12:00:00Z"},
		"a deletion is when it was asked to be done by":   {change.Deleted, pod, nil, nil, "2026-11-23T10:31:30Z"},
		"a deletion without a time is when it was seen":   {change.Deleted, deployment, managers, nil, "2026-11-23T12:00:00Z"},
		"a deletion that nobody saw is when it was found": {change.Deleted, nil, nil, nil, "2026-11-23T12:00:00Z"},
		"a Kubernetes Event is when it was last seen":     {change.Updated, load(t, "event-series"), nil, nil, "2026-11-23T10:31:40.654321Z"},
		"the deletion of one is when that was observed":   {change.Deleted, load(t, "event-series"), nil, nil, "2026-11-23T12:00:00Z"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := change.Time(tc.operation, tc.object, tc.before, tc.after, observed); !got.Equal(instant(t, tc.want)) {
				t.Errorf("Time() = %s, want %s", got, tc.want)
			}
		})
	}
	early := instant(t, "2026-11-23T10:31:05Z")
	if got := change.Time(change.Deleted, pod, nil, nil, early); !got.Equal(early) {
		t.Errorf("Time() = %s of a pod that was gone before its grace period, want %s", got, early.Format(time.RFC3339))
	}
}

func TestManagersOf(t *testing.T) {
	t.Parallel()
	got := change.ManagersOf(decode(t, `{"metadata":{"managedFields":[7,{"manager":"a","operation":"Apply","subresource":"status","time":"2026-11-23T10:00:00Z","fieldsV1":{"f:a":{".":{},"f:b":{}},"f:c":{}}},{"manager":"b","time":"soon"}]}}`))
	want := change.Managers{{Name: "a", Operation: "Apply", Subresource: "status", Time: instant(t, "2026-11-23T10:00:00Z"), Fields: 3}, {Name: "b"}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("ManagersOf() = %+v, want %+v", got, want)
	}
	for _, object := range []string{`{}`, `{"metadata":{}}`, `{"metadata":{"managedFields":"x"}}`} {
		if got := change.ManagersOf(decode(t, object)); got == nil || len(got) != 0 {
			t.Errorf("ManagersOf(%s) = %#v, want none", object, got)
		}
	}
}

func TestActor(t *testing.T) {
	t.Parallel()
	manager := func(name, clock string) change.Manager {
		return change.Manager{Name: name, Operation: "Update", Time: instant(t, "2026-11-23T"+clock+"Z"), Fields: 3}
	}
	fields := func(m change.Manager, n int) change.Manager {
		m.Fields = n
		return m
	}
	flux, kubectl := manager("kustomize-controller", "10:00:00"), manager("kubectl-edit", "10:00:05")
	tests := map[string]struct {
		operation     change.Operation
		before, after change.Managers
		want          string
	}{
		"who is new":                              {change.Updated, change.Managers{flux}, change.Managers{flux, kubectl}, "kubectl-edit"},
		"who changed something again":             {change.Updated, change.Managers{flux, kubectl}, change.Managers{manager("kustomize-controller", "10:00:05"), kubectl}, "kustomize-controller"},
		"nobody where one has lost a field":       {change.Updated, change.Managers{flux, kubectl}, change.Managers{fields(flux, 2), kubectl}, ""},
		"who is new where another has lost one":   {change.Updated, change.Managers{flux}, change.Managers{fields(flux, 2), kubectl}, "kubectl-edit"},
		"the newest that sets again in a second":  {change.Updated, change.Managers{flux, kubectl}, change.Managers{flux, kubectl}, "kubectl-edit"},
		"the newest where the past is unknown":    {change.Updated, nil, change.Managers{kubectl, flux}, "kubectl-edit"},
		"the last listed of one time":             {change.Created, nil, change.Managers{flux, manager("helm", "10:00:00")}, "helm"},
		"nobody without managed fields":           {change.Updated, change.Managers{flux}, nil, ""},
		"nobody for a deletion":                   {change.Deleted, change.Managers{flux}, change.Managers{flux}, ""},
		"nobody when an entry is taken away":      {change.Updated, change.Managers{flux, kubectl}, change.Managers{flux}, ""},
		"the newest where there were none":        {change.Updated, change.Managers{}, change.Managers{kubectl, flux}, "kubectl-edit"},
		"who first set a subresource":             {change.Updated, change.Managers{kubectl}, change.Managers{kubectl, {Name: "kubelet", Subresource: "status", Time: kubectl.Time}}, "kubelet"},
		"who created it":                          {change.Created, nil, change.Managers{flux}, "kustomize-controller"},
		"an entry without a time if there is one": {change.Created, nil, change.Managers{{Name: "old-client"}}, "old-client"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := change.Actor(tc.operation, tc.before, tc.after); got != tc.want {
				t.Errorf("Actor() = %q, want %q", got, tc.want)
			}
		})
	}
}
