// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Request is one request to the API server, as the audit log has it.
type Request struct {
	// Verb is one of RBAC, and Resource has the subresource behind a slash.
	Verb, Group, Resource, Namespace, Name string
	// Refused says that whoever asked lacks the right.
	Refused bool
}

// right names what the request took.
func (r Request) right() string { return fmt.Sprintf("%s %s/%s", r.Verb, r.Group, r.Resource) }

// auditEvent is what a line of the audit log says of one request.
type auditEvent struct {
	Verb string `json:"verb"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		APIGroup    string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// Requests returns what a user asked of the API server so far. It needs Options.Audit.
func (c *ControlPlane) Requests(user string) ([]Request, error) {
	file, err := os.Open(c.AuditLog())
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	var out []Request
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e auditEvent
		// The last line may still be written.
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.User.Username != user {
			continue
		}
		o := e.ObjectRef
		if o.Subresource != "" {
			o.Resource += "/" + o.Subresource
		}
		out = append(out, Request{
			Verb: e.Verb, Group: o.APIGroup, Resource: o.Resource, Namespace: o.Namespace, Name: o.Name,
			Refused: e.ResponseStatus.Code == http.StatusForbidden,
		})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	return out, nil
}

// CompareRights holds rules against requests: it returns the rights that no request took, and those that
// requests lacked.
func CompareRights(rules []rbacv1.PolicyRule, requests []Request) (unused, missing []string) {
	used := map[string]bool{}
	for _, r := range requests {
		if r.Refused {
			missing = append(missing, r.right()+" in "+r.Namespace)
			continue
		}
		used[r.right()], used[r.right()+" "+r.Name] = true, true
	}
	for _, rule := range rules {
		for _, right := range rightsOf(rule) {
			if !used[right] {
				unused = append(unused, right)
			}
		}
	}
	return unused, missing
}

// rightsOf lists what a rule grants, one by one, as "verb group/resource" with a name where it has one.
func rightsOf(rule rbacv1.PolicyRule) []string {
	names := []string{""}
	if len(rule.ResourceNames) > 0 {
		names = nil
		for _, name := range rule.ResourceNames {
			names = append(names, " "+name)
		}
	}
	var out []string
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				for _, name := range names {
					out = append(out, Request{Verb: verb, Group: group, Resource: resource}.right()+name)
				}
			}
		}
	}
	return out
}
