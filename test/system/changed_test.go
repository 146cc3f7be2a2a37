// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package system

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// priceChanges are sent a reference to each ConfigMap whose data was changed.
const priceChanges = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, labels: {posthorn.dev/use: "true"}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
---
apiVersion: posthorn.dev/v1alpha1
kind: WebhookEndpoint
metadata: {name: prices}
spec: {url: "URL"}
---
apiVersion: posthorn.dev/v1alpha1
kind: WebhookSubscription
metadata: {name: prices}
spec:
  endpointRef: {name: prices}
  eventTypes: [dev.posthorn.kubernetes.core.configmap.updated]
  filter: event.changed.startsWith("/data/")
---
apiVersion: posthorn.dev/v1alpha1
kind: WebhookEventSource
metadata: {name: prices}
spec:
  serviceAccountName: reader
  resources: [{apiVersion: v1, kind: ConfigMap}]
`

// TestSource_TellsWhatChangedWhereAFilterReadsIt has a filter read which paths have changed, of events whose data does
// not hold them.
func TestSource_TellsWhatChangedWhereAFilterReadsIt(t *testing.T) {
	t.Parallel()
	s := startSampled(t)
	apply := exec.CommandContext(s.ctx, s.Plane.Kubectl(), "--kubeconfig", s.Plane.Kubeconfig(), "apply", "-n", demoNamespace, "-f", "-")
	apply.Stdin = strings.NewReader(strings.ReplaceAll(priceChanges, "URL", s.url+"/prices"))
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("apply: %v: %s", err, out)
	}
	must(t, s.AwaitSubscriptions(s.ctx, demoNamespace, "the subscription is Ready", platform.IsReady))
	must(t, platform.Await(s.ctx, "the source is Ready", func(ctx context.Context) error {
		var source hookv1.WebhookEventSource
		if err := s.Admin.Get(ctx, client.ObjectKey{Namespace: demoNamespace, Name: "prices"}, &source); err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		if !meta.IsStatusConditionTrue(source.Status.Conditions, hookv1.ConditionReady) {
			return fmt.Errorf("it has the conditions %+v", source.Status.Conditions)
		}
		return nil
	}))
	prices := &corev1.ConfigMap{ObjectMeta: named("prices"), Data: map[string]string{"eur": "1", "usd": "1"}}
	s.create(t, prices)
	prices.Labels["seen"] = "yes" // which nobody waits for
	must(t, s.client.Update(s.ctx, prices))
	prices.Data["eur"], prices.Data["usd"] = "2", "2"
	must(t, s.client.Update(s.ctx, prices, client.FieldOwner("kubectl-edit")))
	data := s.await(t, "prices", map[string]any{
		"type": "dev.posthorn.kubernetes.core.configmap.updated", "subject": "demo/prices", "actor": "kubectl-edit",
		"changed": "/data/eur,/data/usd",
	})
	if data[0]["name"] != "prices" || data[0]["patch"] != nil || data[0]["object"] != nil {
		t.Errorf("the data is %v, want a reference", data[0])
	}
}
