// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart_test renders the chart as Helm does, and holds it against the manifests of config/default, against
// what its values say, and against a real API server.
package chart_test

import (
	"bytes"
	"net/netip"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/posthorn-dev/posthorn/internal/config"
)

const namespace = "posthorn-system"

// tool runs one of the repository's tools at its root and returns what it printed, and what it said on failure.
func tool(t *testing.T, modfile string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	args = append([]string{"tool", "-modfile=" + modfile}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = filepath.Join("..", "..")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// helm renders the chart with values as --set-json takes them.
func helm(t *testing.T, values ...string) (rendered, complaint string, err error) {
	t.Helper()
	return helmAs(t, "posthorn", namespace, values...)
}

// helmAs renders the chart as the release of a name in a namespace.
func helmAs(t *testing.T, release, in string, values ...string) (rendered, complaint string, err error) {
	t.Helper()
	args := []string{"helm", "template", release, "charts/posthorn", "--namespace", in}
	for _, v := range values {
		args = append(args, "--set-json", v)
	}
	return tool(t, "hack/tools/helm/go.mod", args...)
}

// objects are what a stream of YAML holds, by kind, namespace and name.
type objects map[string]*unstructured.Unstructured

// render renders the chart and reads what came of it.
func render(t *testing.T, values ...string) objects {
	t.Helper()
	out, complaint, err := helm(t, values...)
	if err != nil {
		t.Fatalf("render with %v: %v: %s", values, err, complaint)
	}
	return parse(t, out)
}

func parse(t *testing.T, stream string) objects {
	t.Helper()
	all := objects{}
	for document := range strings.SplitSeq(stream, "\n---\n") {
		var u unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if u.Object == nil {
			continue
		}
		key := path.Join(u.GetKind(), u.GetNamespace(), u.GetName())
		if all[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		all[key] = &u
	}
	return all
}

// at is a value inside an object, by the keys of maps and the indexes of lists.
func at(t *testing.T, o *unstructured.Unstructured, keys ...any) any {
	t.Helper()
	if o == nil {
		t.Fatal("the object is not there")
	}
	var v any = o.Object
	for _, k := range keys {
		switch k := k.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[k]
		case int:
			l, ok := v.([]any)
			if !ok || k >= len(l) {
				return nil
			}
			v = l[k]
		}
	}
	return v
}

// container is a value of the only container of a deployment.
func container(t *testing.T, all objects, component string, keys ...any) any {
	t.Helper()
	return at(t, all[path.Join("Deployment", namespace, "posthorn-"+component)],
		append([]any{"spec", "template", "spec", "containers", 0}, keys...)...)
}

// args are the flags of a component.
func args(t *testing.T, all objects, component string) []string {
	t.Helper()
	list, _ := container(t, all, component, "args").([]any)
	var flags []string
	for _, a := range list {
		flags = append(flags, a.(string)) //nolint:forcetypeassert // a test
	}
	return flags
}

// resources are those that a role grants something on, in the order of their names.
func resources(t *testing.T, role *unstructured.Unstructured) []string {
	t.Helper()
	rules, _ := at(t, role, "rules").([]any)
	var out []string
	for i := range rules {
		list, _ := at(t, role, "rules", i, "resources").([]any)
		for _, r := range list {
			out = append(out, r.(string)) //nolint:forcetypeassert // a test
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestChart_RendersTheSameTwice(t *testing.T) {
	t.Parallel()
	first, _, err := helm(t)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := helm(t)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func TestChart_IsWhatKustomizeBuilds(t *testing.T) {
	t.Parallel()
	built, complaint, err := tool(t, "hack/tools/go.mod", "kustomize", "build", "config/default")
	if err != nil {
		t.Fatalf("%v: %s", err, complaint)
	}
	want, got := normal(t, parse(t, built)), normal(t, render(t))
	delete(want, "Namespace/posthorn-system") // helm install --create-namespace makes it
	if diff := cmp.Diff(want, got, sameConfig); diff != "" {
		t.Errorf("the chart differs from config/default (-kustomize +chart):\n%s", diff)
	}
}

// normal takes away what Helm and Kustomize each do in a way of their own: labels of the release, the hash in the
// name of the ConfigMap and the annotation that stands for it, and the names of the images. What the configuration
// says is left in place of how it is written.
func normal(t *testing.T, all objects) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, u := range all {
		if strings.HasPrefix(u.GetName(), "posthorn-config") {
			u.SetName("posthorn-config")
		}
		key := path.Join(u.GetKind(), u.GetNamespace(), u.GetName())
		clean(u.Object, func(m map[string]any) {
			for _, label := range []string{"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/resource-policy", "posthorn.dev/config"} {
				delete(m, label)
			}
			for field, v := range m {
				s, ok := v.(string)
				switch {
				case field == "image" && ok:
					m[field], _, _ = strings.Cut(path.Base(s), ":")
				case field == "name" && ok && strings.HasPrefix(s, "posthorn-config-"):
					m[field] = "posthorn-config"
				case field == "imagePullPolicy" && s == "IfNotPresent", field == "type" && s == "ClusterIP":
					delete(m, field) // the default
				case field == "config.yaml":
					m[field] = configuration(t, s)
				}
				if empty, ok := v.(map[string]any); ok && len(empty) == 0 && (field == "labels" || field == "annotations") {
					delete(m, field)
				}
			}
		})
		out[key] = u.Object
	}
	return out
}

// configuration is what a configuration file says to the programs.
func configuration(t *testing.T, file any) *config.Config {
	t.Helper()
	text, _ := file.(string)
	c, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatalf("the programs refuse the configuration: %v\n%s", err, text)
	}
	return c
}

// sameConfig compares configurations; an empty list is none.
var sameConfig = cmp.Comparer(func(a, b *config.Config) bool {
	return cmp.Equal(a, b, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty())
})

// clean calls f for every map inside a value, the inner ones first.
func clean(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			clean(inner, f)
		}
		f(v)
	case []any:
		for _, inner := range v {
			clean(inner, f)
		}
	}
}

// fileOf is what the rendered configuration file says.
func fileOf(t *testing.T, all objects) *config.Config {
	t.Helper()
	return configuration(t, at(t, all[path.Join("ConfigMap", namespace, "posthorn-config")], "data", "config.yaml"))
}

// TestChart_ConfigurationComesAsItIsWritten has every field of the configuration go through schema and template.
func TestChart_ConfigurationComesAsItIsWritten(t *testing.T) {
	t.Parallel()
	const written = `{
		"egress": {"allow": ["10.20.0.0/16", "fd00::/8"], "namespaceAllow": {"team-a": ["127.0.0.1"]}, "clusterCIDRs": ["10.96.0.0/12"],
			"proxyFromEnvironment": true},
		"defaults": {"timeout": "10s", "concurrency": 4, "rateLimit": {"requests": 100000, "per": "1m"}, "maxAge": "24h",
			"circuitBreaker": {"failureThreshold": 3, "openDuration": "1m", "maxOpenDuration": "1h", "probes": 1},
			"retry": {"delays": [], "jitterPercent": 0, "giveUpOn": [413]}},
		"storage": {"maxBytes": "1Gi", "sync": "Always", "namespaceShare": "100%", "namespaceShares": {"team-a": "5%", "team-b": "2Mi"}},
		"retention": {"events": {"age": "1h", "maxBytes": "1Mi"}, "attempts": {"age": "2h", "maxBytes": "1.5Gi"}, "deadLetters": {"age": "3h", "maxBytes": "10k"}},
		"ingest": {"rateLimit": {"requests": 1000000}, "namespaceRateLimits": {"team-a": {"requests": 5, "per": "1s"}}}
	}`
	got := fileOf(t, render(t, "config="+written))
	if diff := cmp.Diff(configuration(t, written), got, sameConfig); diff != "" {
		t.Errorf("(-written +rendered):\n%s", diff)
	}
}

func TestChart_SchemaRefusesMistakes(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"an unknown value":             `replicas=2`,
		"an unknown nested value":      `dispatcher={"replicas":2}`,
		"a namespace in upper case":    `watchNamespaces=["Team"]`,
		"a namespace twice":            `watchNamespaces=["a","a"]`,
		"an unknown pull policy":       `image={"pullPolicy":"Sometimes"}`,
		"an unknown section of config": `config={"egres":{}}`,
		"an unknown field of config":   `config={"egress":{"alow":["10.0.0.0/8"]}}`,
		"an unknown field further in":  `config={"retention":{"events":{"maxAge":"1h"}}}`,
		"an entry of the wrong type":   `config={"defaults":{"timeout":15}}`,
		"what is no range":             `config={"egress":{"namespaceAllow":{"team-a":["internal"]}}}`,
		"a range of no namespace":      `config={"egress":{"namespaceAllow":{"Team_A":[]}}}`,
		"a duration without a unit":    `config={"defaults":{"retry":{"delays":["1s","15"]}}}`,
		"a number out of bounds":       `config={"defaults":{"concurrency":0}}`,
		"a success to give up on":      `config={"defaults":{"retry":{"giveUpOn":[204]}}}`,
		"a share of more than all":     `config={"storage":{"namespaceShare":"101%"}}`,
		"a rate without a number":      `config={"ingest":{"rateLimit":{"per":"1s"}}}`,
		"a size that is none":          `dispatcher={"persistence":{"size":"ten"}}`,
		"a flag without dashes":        `operator={"extraArgs":["log-level=debug"]}`,
		"a string for a switch":        `networkPolicy={"enabled":"no"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, _, err := helm(t, value); err == nil {
				t.Errorf("rendered %d bytes", len(out))
			}
		})
	}
}

func TestChart_Values(t *testing.T) {
	t.Parallel()
	claim := path.Join("PersistentVolumeClaim", namespace, "posthorn-dispatcher")
	crd := "CustomResourceDefinition/webhookendpoints.posthorn.dev"
	tests := map[string]struct {
		values []string
		check  func(t *testing.T, all objects)
	}{
		"registry and tag": {[]string{`image={"registry":"registry.example.com/x","tag":"v9"}`}, func(t *testing.T, all objects) {
			for _, c := range []string{"operator", "dispatcher"} {
				if got, want := container(t, all, c, "image"), "registry.example.com/x/posthorn-"+c+":v9"; got != want {
					t.Errorf("image is %v, want %s", got, want)
				}
			}
		}},
		"a pull policy": {[]string{`image={"pullPolicy":"Always"}`}, func(t *testing.T, all objects) {
			for _, c := range []string{"operator", "dispatcher"} {
				if got := container(t, all, c, "imagePullPolicy"); got != "Always" {
					t.Errorf("pull policy of %s is %v", c, got)
				}
			}
		}},
		"a Service for the outside": {
			[]string{`ingest={"serviceType":"LoadBalancer","serviceAnnotations":{"example.com/class":"internal"}}`},
			func(t *testing.T, all objects) {
				service := all[path.Join("Service", namespace, "posthorn")]
				if got := at(t, service, "spec", "type"); got != "LoadBalancer" {
					t.Errorf("type is %v", got)
				}
				if diff := cmp.Diff(map[string]string{"example.com/class": "internal"}, service.GetAnnotations()); diff != "" {
					t.Errorf("annotations (-want +got):\n%s", diff)
				}
			},
		},
		"pull secrets": {[]string{`image={"pullSecrets":[{"name":"pull"}]}`}, func(t *testing.T, all objects) {
			for _, c := range []string{"operator", "dispatcher"} {
				if got := at(t, all[path.Join("Deployment", namespace, "posthorn-"+c)], "spec", "template", "spec", "imagePullSecrets", 0, "name"); got != "pull" {
					t.Errorf("pull secret of %s is %v", c, got)
				}
			}
		}},
		"one dispatcher at a time": {nil, func(t *testing.T, all objects) {
			dispatcher := all[path.Join("Deployment", namespace, "posthorn-dispatcher")]
			if at(t, dispatcher, "spec", "strategy", "type") != "Recreate" || at(t, dispatcher, "spec", "replicas") != float64(1) {
				t.Errorf("%v replicas, replaced by %v", at(t, dispatcher, "spec", "replicas"), at(t, dispatcher, "spec", "strategy"))
			}
		}},
		"definitions are not kept": {[]string{`crds={"keep":false}`}, func(t *testing.T, all objects) {
			if got := all[crd].GetAnnotations()["helm.sh/resource-policy"]; got != "" {
				t.Errorf("policy is %q", got)
			}
		}},
		"definitions are not installed": {[]string{`crds={"install":false}`}, func(t *testing.T, all objects) {
			if all[crd] != nil {
				t.Error("the definition is there")
			}
		}},
		"the claim is kept": {nil, func(t *testing.T, all objects) {
			if got := all[claim].GetAnnotations()["helm.sh/resource-policy"]; got != "keep" {
				t.Errorf("policy is %q", got)
			}
		}},
		"the claim is not kept, and of a class and size": {
			[]string{`dispatcher={"persistence":{"keep":false,"size":"50Gi","storageClassName":"fast"}}`},
			func(t *testing.T, all objects) {
				if len(all[claim].GetAnnotations()) > 0 {
					t.Errorf("annotations are %v", all[claim].GetAnnotations())
				}
				if at(t, all[claim], "spec", "storageClassName") != "fast" || at(t, all[claim], "spec", "resources", "requests", "storage") != "50Gi" {
					t.Errorf("claim is %v", all[claim].Object["spec"])
				}
			},
		},
		"a claim of the user's": {[]string{`dispatcher={"persistence":{"existingClaim":"mine"}}`}, func(t *testing.T, all objects) {
			got := at(t, all[path.Join("Deployment", namespace, "posthorn-dispatcher")], "spec", "template", "spec", "volumes", 0, "persistentVolumeClaim", "claimName")
			if all[claim] != nil || got != "mine" {
				t.Errorf("claim is %v", got)
			}
		}},
		"no TLS": {[]string{`ingest={"tls":{"enabled":false}}`}, func(t *testing.T, all objects) {
			flags := strings.Join(append(args(t, all, "dispatcher"), args(t, all, "operator")...), " ")
			if strings.Contains(flags, "tls") || strings.Contains(flags, "ingest-dns-names") || !strings.Contains(flags, "--ingest-address=:8080") {
				t.Errorf("flags are %s", flags)
			}
			if got := at(t, all[path.Join("Service", namespace, "posthorn")], "spec", "ports", 0, "name"); got != "http" {
				t.Errorf("port is %v", got)
			}
		}},
		"a certificate of the user's": {[]string{`ingest={"tls":{"secretName":"mine"}}`}, func(t *testing.T, all objects) {
			if strings.Contains(strings.Join(args(t, all, "operator"), " "), "ingest-dns-names") {
				t.Error("the operator is asked for a certificate")
			}
			if got := at(t, all[path.Join("Deployment", namespace, "posthorn-dispatcher")], "spec", "template", "spec", "volumes", 2, "secret", "secretName"); got != "mine" {
				t.Errorf("secret is %v", got)
			}
		}},
		"more names": {[]string{`ingest={"tls":{"extraNames":["hooks.example.com"]}}`}, func(t *testing.T, all objects) {
			if flags := args(t, all, "operator"); !strings.HasSuffix(strings.Join(flags, " "), ",posthorn,hooks.example.com") {
				t.Errorf("flags are %v", flags)
			}
		}},
		"configuration restarts both": {[]string{`config={"defaults":{"timeout":"7s"}}`}, func(t *testing.T, all objects) {
			if got := fileOf(t, all).Defaults.Timeout; got != 7*time.Second {
				t.Errorf("timeout is %s", got)
			}
			plain := render(t)
			for _, c := range []string{"operator", "dispatcher"} {
				keys := []any{"spec", "template", "metadata", "annotations", "posthorn.dev/config"}
				key := path.Join("Deployment", namespace, "posthorn-"+c)
				if at(t, all[key], keys...) == at(t, plain[key], keys...) {
					t.Errorf("%s is not restarted", c)
				}
			}
		}},
		"placement and resources": {
			[]string{`dispatcher={"nodeSelector":{"disk":"ssd"},"tolerations":[{"key":"x"}],"affinity":{"podAffinity":{}},"priorityClassName":"high","resources":{"limits":{"memory":"2Gi"}},"extraArgs":["--log-level=debug"],"podAnnotations":{"a":"b"}}`},
			func(t *testing.T, all objects) {
				spec := func(keys ...any) any {
					return at(t, all[path.Join("Deployment", namespace, "posthorn-dispatcher")], append([]any{"spec", "template"}, keys...)...)
				}
				got := []any{
					spec("spec", "nodeSelector", "disk"), spec("spec", "tolerations", 0, "key"), spec("spec", "priorityClassName"),
					container(t, all, "dispatcher", "resources", "limits", "memory"), spec("metadata", "annotations", "a"),
				}
				if diff := cmp.Diff([]any{"ssd", "x", "high", "2Gi", "b"}, got); diff != "" {
					t.Error(diff)
				}
				if spec("spec", "affinity", "podAffinity") == nil || !slices.Contains(args(t, all, "dispatcher"), "--log-level=debug") {
					t.Error("affinity or flag is missing")
				}
			},
		},
		"labels on everything": {[]string{`extraLabels={"team":"platform"}`}, func(t *testing.T, all objects) {
			for key, u := range all {
				if u.GetLabels()["team"] != "platform" {
					t.Errorf("%s has the labels %v", key, u.GetLabels())
				}
			}
			if got := at(t, all[path.Join("Deployment", namespace, "posthorn-operator")], "spec", "template", "metadata", "labels", "team"); got != "platform" {
				t.Errorf("label of the pods is %v", got)
			}
		}},
		"no budget for one replica": {nil, func(t *testing.T, all objects) {
			if all[path.Join("PodDisruptionBudget", namespace, "posthorn-operator")] != nil {
				t.Error("a budget is there")
			}
		}},
		"a budget for two replicas": {[]string{`operator={"replicas":2}`}, func(t *testing.T, all objects) {
			if all[path.Join("PodDisruptionBudget", namespace, "posthorn-operator")] == nil {
				t.Error("no budget is there")
			}
		}},
		"no budget if none is wanted": {[]string{`operator={"replicas":2}`, `podDisruptionBudget={"enabled":false}`}, func(t *testing.T, all objects) {
			if all[path.Join("PodDisruptionBudget", namespace, "posthorn-operator")] != nil {
				t.Error("a budget is there")
			}
		}},
		"listed namespaces": {[]string{`watchNamespaces=["default","team-a"]`}, func(t *testing.T, all objects) {
			for role, want := range map[string][]string{
				"ClusterRole/posthorn-dispatcher": {"namespaces", "selfsubjectaccessreviews", "servicecidrs", "subjectaccessreviews", "tokenreviews"},
				// It is a namespace of tenants here, and that of the API server's endpoints.
				"Role/default/posthorn-dispatcher": {
					"endpointslices", "events", "serviceaccounts", "webhookendpoints", "webhookendpoints/status",
					"webhookeventsources", "webhookeventsources/status", "webhookeventtypes", "webhookeventtypes/status", "webhooksubscriptions", "webhooksubscriptions/status",
				},
				"Role/team-a/posthorn-dispatcher": {
					"events", "serviceaccounts", "webhookendpoints", "webhookendpoints/status",
					"webhookeventsources", "webhookeventsources/status", "webhookeventtypes", "webhookeventtypes/status", "webhooksubscriptions", "webhooksubscriptions/status",
				},
				"Role/" + namespace + "/posthorn-dispatcher": {"leases", "secrets"},
				"Role/" + namespace + "/posthorn-operator":   {"configmaps", "events", "leases", "secrets"},
			} {
				if diff := cmp.Diff(want, resources(t, all[role])); diff != "" {
					t.Errorf("%s (-want +got):\n%s", role, diff)
				}
				if binding := strings.Replace(role, "Role/", "RoleBinding/", 1); all[binding] == nil {
					t.Errorf("there is no %s", binding)
				}
			}
		}},
		"listed namespaces with Posthorn's own": {[]string{`watchNamespaces=["` + namespace + `"]`}, func(t *testing.T, all objects) {
			if granted := resources(t, all["Role/"+namespace+"/posthorn-dispatcher"]); !slices.Contains(granted, "secrets") || !slices.Contains(granted, "webhookendpoints") {
				t.Errorf("granted are %v", granted)
			}
			if diff := cmp.Diff([]string{"endpointslices"}, resources(t, all["Role/default/posthorn-dispatcher"])); diff != "" {
				t.Error(diff)
			}
		}},
		"no policies": {[]string{`networkPolicy={"enabled":false}`}, func(t *testing.T, all objects) {
			for key := range all {
				if strings.HasPrefix(key, "NetworkPolicy/") {
					t.Errorf("%s is there", key)
				}
			}
		}},
		"roles that aggregate to nothing": {[]string{`rbac={"aggregate":false}`}, func(t *testing.T, all objects) {
			for name := range all["ClusterRole/posthorn-edit"].GetLabels() {
				if strings.Contains(name, "aggregate") {
					t.Errorf("label %s", name)
				}
			}
		}},
		"roles that aggregate": {nil, func(t *testing.T, all objects) {
			for _, name := range []string{"view", "edit", "admin"} {
				if all["ClusterRole/posthorn-"+name].GetLabels()["rbac.authorization.k8s.io/aggregate-to-"+name] != "true" {
					t.Errorf("posthorn-%s aggregates to nothing", name)
				}
			}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.check(t, render(t, tt.values...))
		})
	}
}
