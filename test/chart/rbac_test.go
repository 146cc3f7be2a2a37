// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// clusterWide are the rights that each process has in the whole cluster however few namespaces it looks at, since
// none of them could be granted in a namespace.
var clusterWide = map[string][]string{
	"operator": {
		"create subjectaccessreviews.authorization.k8s.io", "create tokenreviews.authentication.k8s.io", "list namespaces", "watch namespaces",
	},
	"dispatcher": {
		"create selfsubjectaccessreviews.authorization.k8s.io", "create subjectaccessreviews.authorization.k8s.io",
		"create tokenreviews.authentication.k8s.io", "list namespaces", "list servicecidrs.networking.k8s.io", "watch namespaces",
	},
}

// unlisted are the rights that each process has only where it looks at the whole cluster: that roles have changed is
// not told by the namespace.
var unlisted = map[string][]string{
	"dispatcher": {
		"watch clusterrolebindings.rbac.authorization.k8s.io", "watch clusterroles.rbac.authorization.k8s.io",
		"watch rolebindings.rbac.authorization.k8s.io", "watch roles.rbac.authorization.k8s.io",
	},
}

// atHome are the rights that each process needs in Posthorn's own namespace besides those of its Role, and that it
// has by its ClusterRole where it looks at the whole cluster.
var atHome = map[string][]string{
	"operator": {
		"create secrets", "delete secrets", "get configmaps", "get secrets", "list secrets", "update secrets", "watch secrets",
	},
}

// rights are what a role grants, as verb and resource.group[/subresource][ name], in order.
func rights(t *testing.T, o *unstructured.Unstructured) []string {
	t.Helper()
	if o == nil {
		return nil
	}
	var role rbacv1.ClusterRole // whose rules are those of a Role, too
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, rule := range role.Rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				if group != "" {
					resource += "." + group
				}
				for _, verb := range rule.Verbs {
					right := verb + " " + resource
					if len(rule.ResourceNames) > 0 {
						right += " " + strings.Join(rule.ResourceNames, ",")
					}
					all = append(all, right)
				}
			}
		}
	}
	return sorted(all)
}

// sorted returns rights in order, each once.
func sorted(rights ...[]string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(rights...))))
}

// without returns the rights that are not among others.
func without(rights, others []string) []string {
	return slices.DeleteFunc(slices.Clone(rights), func(r string) bool { return slices.Contains(others, r) })
}

// namespacesOf are the namespaces in which a kind has an object of the name.
func namespacesOf(all objects, kind, name string) []string {
	var found []string
	for _, o := range all {
		if o.GetKind() == kind && o.GetName() == name {
			found = append(found, o.GetNamespace())
		}
	}
	return slices.Sorted(slices.Values(found))
}

// TestChart_WatchesTheWholeClusterUnlessToldOtherwise has the generated roles as they are, and no flag.
func TestChart_WatchesTheWholeClusterUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	all := render(t)
	for _, component := range []string{"operator", "dispatcher"} {
		if flags := args(t, all, component); strings.Contains(strings.Join(flags, " "), "--watch-namespaces") {
			t.Errorf("flags of the %s are %v", component, flags)
		}
		checkBindings(t, all, "posthorn-"+component)
	}
}

// TestChart_WatchesListedNamespacesWithRightsThereAlone holds the roles of watchNamespaces against those of the whole
// cluster: what can be granted in a namespace is granted there and nowhere else, and nothing is lost.
func TestChart_WatchesListedNamespacesWithRightsThereAlone(t *testing.T) {
	t.Parallel()
	whole := render(t)
	for name, listed := range map[string][]string{
		"tenants":                  {"team-a", "team-b"},
		"its own and a tenant's":   {"posthorn-system", "team-a"},
		"nothing but its own":      {"posthorn-system"},
		"a tenant out of alphabet": {"zebra", "ape"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := render(t, `watchNamespaces=["`+strings.Join(listed, `","`)+`"]`)
			for _, component := range []string{"operator", "dispatcher"} {
				checkListed(t, whole, all, component, listed)
				if want := "--watch-namespaces=" + strings.Join(listed, ","); !slices.Contains(args(t, all, component), want) {
					t.Errorf("the %s lacks the flag %s: it has %v", component, want, args(t, all, component))
				}
				checkBindings(t, all, "posthorn-"+component)
			}
		})
	}
}

// checkListed holds the roles of one process that looks at the listed namespaces against those of one that looks at
// the whole cluster.
func checkListed(t *testing.T, whole, all objects, component string, listed []string) {
	t.Helper()
	name := "posthorn-" + component
	if diff := cmp.Diff(clusterWide[component], rights(t, all["ClusterRole/"+name])); diff != "" {
		t.Errorf("rights of the %s in the whole cluster (-want +got):\n%s", component, diff)
	}
	narrow := without(rights(t, whole["ClusterRole/"+name]), slices.Concat(clusterWide[component], unlisted[component]))
	want := map[string][]string{}
	for _, own := range namespacesOf(whole, "Role", name) {
		want[own] = rights(t, whole[path.Join("Role", own, name)])
	}
	want[namespace] = sorted(want[namespace], atHome[component])
	for _, ns := range listed {
		want[ns] = sorted(want[ns], narrow)
	}
	got := map[string][]string{}
	for _, ns := range namespacesOf(all, "Role", name) {
		got[ns] = rights(t, all[path.Join("Role", ns, name)])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights of the %s by namespace (-want +got):\n%s", component, diff)
	}
}

// checkBindings sees that each role of a process is bound to its ServiceAccount and to nobody else, and that nothing
// else is bound to it but what sources read by.
func checkBindings(t *testing.T, all objects, name string) {
	t.Helper()
	account := []any{map[string]any{"kind": "ServiceAccount", "name": name, "namespace": namespace}}
	for _, kind := range []string{"ClusterRole", "Role"} {
		roles := namespacesOf(all, kind, name)
		if diff := cmp.Diff(roles, namespacesOf(all, kind+"Binding", name)); diff != "" {
			t.Errorf("%s: namespaces of %s and binding (-role +binding):\n%s", name, kind, diff)
		}
		for _, ns := range roles {
			binding := all[path.Join(kind+"Binding", ns, name)]
			ref := map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
			if diff := cmp.Diff([]any{ref, account}, []any{at(t, binding, "roleRef"), at(t, binding, "subjects")}); diff != "" {
				t.Errorf("%s in %q: binding (-want +got):\n%s", name, ns, diff)
			}
		}
	}
	for key, o := range all {
		if strings.HasSuffix(o.GetKind(), "Binding") && o.GetName() != name && o.GetName() != sourceReader && cmp.Equal(at(t, o, "subjects"), any(account)) {
			t.Errorf("%s binds %s besides", key, name)
		}
	}
}

// sourceReader is the role that the dispatcher reads by for event sources.
const sourceReader = "posthorn-source-reader"

func TestChart_LetsTheDispatcherReadForSources(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values   []string
		roles    []string
		bindings map[string][]string
	}{
		"by default, the common kinds of the whole cluster": {
			roles: []string{"", "-workloads"}, bindings: map[string][]string{"ClusterRoleBinding": {""}},
		},
		"the listed namespaces alone": {
			values: []string{`watchNamespaces=["team-a","team-b"]`},
			roles:  []string{"", "-workloads"}, bindings: map[string][]string{"RoleBinding": {"team-a", "team-b"}},
		},
		"nothing but what the platform names": {
			values: []string{"sourceReader.workloads=false", `sourceReader.rules=[{"apiGroups":["cert-manager.io"],"resources":["certificates"]}]`},
			roles:  []string{"", "-more"}, bindings: map[string][]string{"ClusterRoleBinding": {""}},
		},
		"nothing": {values: []string{"sourceReader.enabled=false"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := render(t, tc.values...)
			for _, suffix := range []string{"", "-workloads", "-more"} {
				role := all["ClusterRole/"+sourceReader+suffix]
				if (role != nil) != slices.Contains(tc.roles, suffix) {
					t.Errorf("ClusterRole %s%s: there is %v", sourceReader, suffix, role)
				} else if role != nil && suffix != "" {
					checkReads(t, role)
				}
			}
			for _, kind := range []string{"ClusterRoleBinding", "RoleBinding"} {
				if diff := cmp.Diff(tc.bindings[kind], namespacesOf(all, kind, sourceReader)); diff != "" {
					t.Errorf("namespaces of each %s (-want +got):\n%s", kind, diff)
				}
			}
		})
	}
}

// checkReads sees that a role adds to what sources are read by, and that it opens nothing but lists and watches, and
// no Secret.
func checkReads(t *testing.T, role *unstructured.Unstructured) {
	t.Helper()
	if role.GetLabels()["rbac.posthorn.dev/aggregate-to-source-reader"] != "true" {
		t.Errorf("%s is not aggregated: it has the labels %v", role.GetName(), role.GetLabels())
	}
	granted := rights(t, role)
	for _, right := range granted {
		verb, resource, _ := strings.Cut(right, " ")
		if verb != "list" && verb != "watch" || resource == "secrets" || strings.Contains(resource, "*") {
			t.Errorf("%s may %s", role.GetName(), right)
		}
	}
	if len(granted) == 0 {
		t.Errorf("%s grants nothing", role.GetName())
	}
}

// TestChart_DocumentationNamesWhatIsGrantedInTheWholeCluster reads it in the section about listed namespaces.
func TestChart_DocumentationNamesWhatIsGrantedInTheWholeCluster(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "installation.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## Listed namespaces\n")
	if !ok {
		t.Fatal("the page has no section about listed namespaces")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for _, right := range sorted(clusterWide["operator"], clusterWide["dispatcher"]) {
		verb, resource, _ := strings.Cut(right, " ")
		resource, _, _ = strings.Cut(resource, ".")
		for _, word := range []string{verb, resource} {
			if !strings.Contains(section, "`"+word+"`") {
				t.Errorf("docs/installation.md does not name `%s` of the right to %s", word, right)
			}
		}
	}
}
