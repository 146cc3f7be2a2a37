// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

// TestChart_TheAPIServerTakesEveryObject sends what the chart renders to a real API server, as a dry run that refuses
// fields that no schema knows.
func TestChart_TheAPIServerTakesEveryObject(t *testing.T) {
	plane, err := controlplane.Start(controlplane.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(plane.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{namespace, "team-a", "team-b", "123", "456"} {
		if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string][]string{
		"as it comes":       nil,
		"listed namespaces": {`watchNamespaces=["team-a","team-b"]`},
		"everything set": {
			`image={"registry":"registry.example.com","pullSecrets":[{"name":"pull"}]}`, `extraLabels={"team":"platform"}`,
			`operator={"replicas":2,"priorityClassName":"high","nodeSelector":{"a":"b"},"podAnnotations":{"a":"b"}}`,
			`dispatcher={"resources":{"limits":{"memory":"2Gi"}},"tolerations":[{"key":"x","operator":"Exists"}],"persistence":{"storageClassName":"fast"}}`,
			`ingest={"tls":{"enabled":false}}`, `config={"egress":{"allow":["10.0.0.0/8"]}}`,
		},
	}
	for name, values := range tests {
		t.Run(name, func(t *testing.T) {
			takes(t, c, render(t, values...))
		})
	}
	t.Run("names of digits", func(t *testing.T) {
		out, complaint, err := helmAs(t, "42", "123", `watchNamespaces=["123","456"]`, `ingest={"tls":{"secretName":"5"}}`,
			`operator={"priorityClassName":"6"}`, `dispatcher={"persistence":{"storageClassName":"7"}}`)
		if err != nil {
			t.Fatalf("%v: %s", err, complaint)
		}
		takes(t, c, parse(t, out))
	})
	t.Run("and refuses what it does not know", func(t *testing.T) {
		all := render(t)
		wrong := all["Service/"+namespace+"/posthorn"]
		if err := unstructured.SetNestedField(wrong.Object, true, "spec", "nonsense"); err != nil {
			t.Fatal(err)
		}
		if err := dryRun(t.Context(), c, wrong); err == nil {
			t.Error("a field that no schema knows was taken")
		}
	})
}

// takes sees whether the API server takes the objects of the chart.
func takes(t *testing.T, c client.Client, all objects) {
	t.Helper()
	if len(all) < 20 {
		t.Errorf("%d objects were rendered, want all of the chart", len(all))
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if err := dryRun(t.Context(), c, all[key]); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// dryRun has the API server validate the object as if it were created.
func dryRun(ctx context.Context, c client.Client, o *unstructured.Unstructured) error {
	return c.Create(ctx, o.DeepCopy(), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}
