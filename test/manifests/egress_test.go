// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// apiServers is the EndpointSlice that API servers keep of themselves. The one of this suite, on loopback, keeps none.
func apiServers(address string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
		"metadata": map[string]any{
			"namespace": "default", "name": "kubernetes", "labels": map[string]any{"kubernetes.io/service-name": "kubernetes"},
		},
		"addressType": "IPv4",
		"endpoints":   []any{map[string]any{"addresses": []any{address}}},
		"ports":       []any{map[string]any{"name": "https", "port": int64(6443), "protocol": "TCP"}},
	}}
}

func TestDispatcher_LearnsFromTheClusterWhereNobodyMaySend(t *testing.T) {
	slice := apiServers("10.1.2.3")
	if err := posthorn.Admin.Create(t.Context(), slice); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := posthorn.Admin.Delete(context.WithoutCancel(t.Context()), slice); err != nil {
			t.Error(err)
		}
	})
	const rules = "egress: {allow: [10.1.0.0/16]}"
	operator, err := posthorn.NewOperator(t.Context(), rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, operator.Process)
	d, err := posthorn.NewDispatcher(t.Context(), platform.DispatcherOptions{Config: rules})
	if err != nil {
		t.Fatal(err)
	}
	run(t, d.Process)

	namespace, _, err := posthorn.Tenant(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ url, reason, message string }{
		"neighbour":  {"http://10.1.2.4:6443/", hookv1.ReasonAllowed, ""},
		"api-server": {"https://10.1.2.3:6443/", hookv1.ReasonAddressNotAllowed, "the API server's address"},
		// Of the range that the API server was started with, and tells as a ServiceCIDR.
		"service": {"http://10.96.0.77/", hookv1.ReasonClusterAddress, "serviceRef"},
	} {
		endpoint := &hookv1.WebhookEndpoint{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       hookv1.WebhookEndpointSpec{URL: hookv1.URL(tc.url)},
		}
		if err := posthorn.Admin.Create(t.Context(), endpoint); err != nil {
			t.Fatal(err)
		}
		err := platform.Await(within(t), "the destination of "+name+" is judged", func(ctx context.Context) error {
			return wantDestination(ctx, client.ObjectKeyFromObject(endpoint), tc.reason, tc.message)
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// wantDestination returns an error unless the condition DestinationAllowed has the reason, and the message says so.
func wantDestination(ctx context.Context, key client.ObjectKey, reason, message string) error {
	var endpoint hookv1.WebhookEndpoint
	if err := posthorn.Admin.Get(ctx, key, &endpoint); err != nil {
		return err
	}
	c := meta.FindStatusCondition(endpoint.Status.Conditions, hookv1.ConditionDestinationAllowed)
	if c == nil || c.Reason != reason || !strings.Contains(c.Message, message) {
		return fmt.Errorf("the condition is %+v, want %s and %q", c, reason, message)
	}
	return nil
}
