// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// notes returns what helm install tells at its end.
func notes(t *testing.T, values ...string) string {
	t.Helper()
	args := []string{"helm", "install", "posthorn", "charts/posthorn", "--namespace", namespace, "--dry-run=client"}
	for _, v := range values {
		args = append(args, "--set-json", v)
	}
	out, complaint, err := tool(t, "hack/tools/helm/go.mod", args...)
	if err != nil {
		t.Fatalf("install with %v: %v: %s", values, err, complaint)
	}
	_, told, found := strings.Cut(out, "\nNOTES:\n")
	if !found {
		t.Fatal("helm install tells nothing")
	}
	return told
}

func TestChart_NotesSayWhereToPost(t *testing.T) {
	t.Parallel()
	const authority = `kubectl get configmap posthorn-ca -n posthorn-system -o jsonpath='{.data.ca\.crt}'`
	for name, tt := range map[string]struct {
		values     []string
		url, trust string
	}{
		"as it comes":                 {nil, "https://posthorn.posthorn-system.svc", authority},
		"a certificate of the user's": {[]string{`ingest={"tls":{"secretName":"mine"}}`}, "https://posthorn.posthorn-system.svc", "the Secret mine."},
		"no TLS":                      {[]string{`ingest={"tls":{"enabled":false}}`}, "http://posthorn.posthorn-system.svc", "in the clear"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := notes(t, tt.values...)
			if want := "Producers post to " + tt.url + "/v1/namespaces/YOURS/events\n"; !strings.Contains(told, want) {
				t.Errorf("the notes lack %q:\n%s", want, told)
			}
			if !strings.Contains(told, tt.trust) || tt.trust != authority && strings.Contains(told, "posthorn-ca") {
				t.Errorf("the notes name another authority than %q:\n%s", tt.trust, told)
			}
			u, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			service := render(t, tt.values...)[path.Join("Service", namespace, strings.TrimSuffix(u.Host, "."+namespace+".svc"))]
			if port := map[string]float64{"https": 443, "http": 80}[u.Scheme]; at(t, service, "spec", "ports", 0, "port") != port {
				t.Errorf("%s is not where the Service listens: %v", tt.url, at(t, service, "spec", "ports"))
			}
		})
	}
}

// TestChart_NotesNameWhatThereIs holds the commands of the notes against the API and against what the chart installs.
func TestChart_NotesNameWhatThereIs(t *testing.T) {
	t.Parallel()
	told := notes(t)
	part := func(pattern string) string {
		t.Helper()
		found := regexp.MustCompile(pattern).FindStringSubmatch(told)
		if found == nil {
			t.Fatalf("the notes have nothing like %s:\n%s", pattern, told)
		}
		return found[1]
	}
	var endpoint hookv1.WebhookEndpoint
	if err := yaml.UnmarshalStrict([]byte(part(`kubectl create -n YOURS -f - <<< '(.*)'`)), &endpoint); err != nil {
		t.Errorf("the endpoint of the notes: %v", err)
	}
	if got, want := endpoint.GroupVersionKind(), hookv1.GroupVersion.WithKind("WebhookEndpoint"); got != want || endpoint.Spec.URL == "" {
		t.Errorf("the notes create %s with the URL %q", got, endpoint.Spec.URL)
	}
	if name := part(`kubectl describe -n YOURS webhookendpoint (\S+)`); name != endpoint.Name {
		t.Errorf("the notes create %s and describe %s", endpoint.Name, name)
	}
	if role := part(`kubectl create rolebinding -n YOURS \S+ --clusterrole=(\S+) --serviceaccount=YOURS:default`); render(t)["ClusterRole/"+role] == nil {
		t.Errorf("the chart has no role %s", role)
	}
	listed := notes(t, `watchNamespaces=["team-a","team-b"]`)
	if want := "in the namespace " + namespace + " and looks at team-a, team-b.\n"; !strings.Contains(listed, want) {
		t.Errorf("the notes lack %q:\n%s", want, listed)
	}
}
