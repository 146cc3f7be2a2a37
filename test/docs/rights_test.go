// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// called is what docs/security.md calls the resources of the roles.
var called = map[string]string{
	"clusterrolebindings":         "bindings",
	"clusterroles":                "roles",
	"configmaps":                  "(ConfigMaps|`posthorn-ca`)",
	"endpointslices":              "EndpointSlices",
	"events":                      "Events",
	"leases":                      "Lease",
	"namespaces":                  "namespaces",
	"rolebindings":                "bindings",
	"roles":                       "roles",
	"secrets":                     "Secrets",
	"selfsubjectaccessreviews":    "SelfSubjectAccessReviews",
	"serviceaccounts":             "ServiceAccounts",
	"servicecidrs":                "ServiceCIDRs",
	"services":                    "Services",
	"subjectaccessreviews":        "SubjectAccessReviews",
	"tokenreviews":                "TokenReviews",
	"webhookendpoints":            "endpoints",
	"webhookendpoints/status":     "statuses",
	"webhookeventsources":         "event sources",
	"webhookeventsources/status":  "statuses",
	"webhookeventtypes":           "event types",
	"webhookeventtypes/status":    "statuses",
	"webhooksubscriptions":        "subscriptions",
	"webhooksubscriptions/status": "statuses",
}

// TestSecurity_TellsEveryRight holds the tables of what each process may do against its roles: each verb on each
// resource stands in a row of the right place, and each row has at least one of them.
func TestSecurity_TellsEveryRight(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	for process, file := range map[string]string{"operator": "role.yaml", "dispatcher": "dispatcher_role.yaml"} {
		_, section, found := strings.Cut(string(page), "\n**The "+process+"**\n")
		if !found {
			t.Fatalf("the page has no table of the %s", process)
		}
		table, _, _ := strings.Cut(strings.TrimLeft(section, "\n"), "\n\n")
		rows := strings.Split(table, "\n")[2:]
		used := map[string]bool{}
		for _, role := range rolesOf(t, file) {
			for _, rule := range role.Rules {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						row := rowOf(rows, placeOf(role), verb, called[resource])
						if row == "" || called[resource] == "" {
							t.Errorf("the page does not tell that the %s may %s %s %s", process, verb, resource, placeOf(role))
						}
						used[row] = true
					}
				}
			}
		}
		for _, row := range rows {
			// That role is put together from others: test/manifests holds what is in it.
			if !used[row] && !strings.Contains(row, "`posthorn-source-reader`") {
				t.Errorf("the roles of the %s have nothing of the row %s", process, row)
			}
		}
	}
}

// rolesOf reads the roles of a file of config/rbac.
func rolesOf(t *testing.T, file string) (roles []rbacv1.ClusterRole) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", file))
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(strings.TrimPrefix(string(content), "---\n"), "\n---\n") {
		var role rbacv1.ClusterRole // as a Role, with a namespace besides
		if err := yaml.UnmarshalStrict([]byte(document), &role); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		roles = append(roles, role)
	}
	if len(roles) < 2 {
		t.Fatalf("found %d roles in %s", len(roles), file)
	}
	return roles
}

// placeOf is what the page calls the place where a role counts.
func placeOf(role rbacv1.ClusterRole) string {
	switch role.Namespace {
	case "":
		return "(watched|cluster)"
	case "posthorn-system":
		return "its own namespace"
	default:
		return "`" + role.Namespace + "`"
	}
}

// rowOf finds the row in which a right is told; empty when there is none.
func rowOf(rows []string, place, verb, resource string) string {
	word := func(pattern string) *regexp.Regexp {
		return regexp.MustCompile(`(^|[^A-Za-z])` + pattern + `($|[^A-Za-z])`)
	}
	for _, row := range rows {
		cells := strings.Split(row, "|")
		if word(verb).MatchString(cells[1]) && word(resource).MatchString(cells[1]) && word(place).MatchString(cells[2]) {
			return row
		}
	}
	return ""
}
