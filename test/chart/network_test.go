// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestChart_NetworkPolicies(t *testing.T) {
	t.Parallel()
	const (
		fromEverywhere = `from: [{namespaceSelector: {}}]`
		commonPorts    = `[{ports: [{port: 443}, {port: 6443}, {port: 8443}, {port: 16443}, {port: 53}, {port: 53, protocol: UDP}]}]`
		toEverywhere   = `[{}]`
	)
	type policy struct{ ingress, egress string }
	tests := map[string]struct {
		values               []string
		operator, dispatcher policy
	}{
		"as they come": {
			operator:   policy{`[{ports: [{port: metrics}], ` + fromEverywhere + `}]`, commonPorts},
			dispatcher: policy{`[{ports: [{port: https}], ` + fromEverywhere + `}, {ports: [{port: metrics}], ` + fromEverywhere + `}]`, toEverywhere},
		},
		"narrowed": {
			values: []string{`networkPolicy={
				"ingestFrom": [{"namespaceSelector": {"matchLabels": {"tenant": "yes"}}}, {"ipBlock": {"cidr": "192.0.2.0/24"}}],
				"metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
				"apiServerPorts": [6444]}`},
			operator: policy{
				`[{ports: [{port: metrics}], from: [{podSelector: {matchLabels: {app: prometheus}}}]}]`,
				`[{ports: [{port: 6444}, {port: 53}, {port: 53, protocol: UDP}]}]`,
			},
			dispatcher: policy{`
- ports: [{port: https}]
  from: [{namespaceSelector: {matchLabels: {tenant: "yes"}}}, {ipBlock: {cidr: 192.0.2.0/24}}]
- ports: [{port: metrics}]
  from: [{podSelector: {matchLabels: {app: prometheus}}}]`, toEverywhere},
		},
		"with a Service for the outside, whose callers are no pods": {
			values:     []string{`ingest={"serviceType":"LoadBalancer"}`},
			operator:   policy{`[{ports: [{port: metrics}], ` + fromEverywhere + `}]`, commonPorts},
			dispatcher: policy{`[{ports: [{port: https}]}, {ports: [{port: metrics}], ` + fromEverywhere + `}]`, toEverywhere},
		},
		"with such a Service, narrowed, and without TLS": {
			values: []string{
				`ingest={"serviceType":"NodePort","tls":{"enabled":false}}`,
				`networkPolicy={"ingestFrom":[{"ipBlock":{"cidr":"192.0.2.0/24"}}]}`,
			},
			operator: policy{`[{ports: [{port: metrics}], ` + fromEverywhere + `}]`, commonPorts},
			dispatcher: policy{
				`[{ports: [{port: http}], from: [{ipBlock: {cidr: 192.0.2.0/24}}]}, {ports: [{port: metrics}], ` + fromEverywhere + `}]`, toEverywhere,
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := render(t, tc.values...)
			for component, want := range map[string]policy{"operator": tc.operator, "dispatcher": tc.dispatcher} {
				o := all[path.Join("NetworkPolicy", namespace, "posthorn-"+component)]
				if diff := cmp.Diff([]any{"Ingress", "Egress"}, at(t, o, "spec", "policyTypes")); diff != "" {
					t.Errorf("%s: types (-want +got):\n%s", component, diff)
				}
				if got := at(t, o, "spec", "podSelector", "matchLabels", "app.kubernetes.io/component"); got != component {
					t.Errorf("the policy of the %s selects %v", component, got)
				}
				for field, want := range map[string]string{"ingress": want.ingress, "egress": want.egress} {
					if diff := cmp.Diff(fromYAML(t, want), at(t, o, "spec", field)); diff != "" {
						t.Errorf("%s: %s (-want +got):\n%s", component, field, diff)
					}
				}
			}
		})
	}
}

// fromYAML is the value that a text in YAML stands for.
func fromYAML(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
