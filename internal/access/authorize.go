// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Attributes are what a user wants to do, in the words of RBAC.
type Attributes struct {
	// Namespace is where; empty means in all namespaces at once.
	Namespace string
	// Verb, Group, Resource and Subresource name the right. Name narrows it to one object.
	Verb, Group, Resource, Subresource, Name string
	// Path is that of an HTTP request, such as /metrics, for a right that is about no resource; Verb
	// is then the method in lower case, and the other fields are empty.
	Path string
}

// key is unique among attributes: none of the parts can hold a zero byte.
func (t Attributes) key() string {
	return strings.Join([]string{t.Namespace, t.Verb, t.Group, t.Resource, t.Subresource, t.Name, t.Path}, "\x00")
}

// String names the right as RBAC rules do: verb, resource/subresource.group, or verb and path.
func (t Attributes) String() string {
	if t.Path != "" {
		return t.Verb + " " + t.Path
	}
	resource := t.Resource
	if t.Group != "" {
		resource += "." + t.Group
	}
	if t.Subresource != "" {
		resource += "/" + t.Subresource
	}
	return t.Verb + " " + resource
}

// place says where the right is needed.
func (t Attributes) place() string {
	switch {
	case t.Path != "":
		return "from the dispatcher"
	case t.Namespace == "":
		return "in all namespaces"
	}
	return "in namespace " + t.Namespace
}

// remedy says what to ask for.
func (t Attributes) remedy() string {
	if t.Path != "" {
		return "ask for a ClusterRole with that verb and nonResourceURL"
	}
	return "ask for a Role with that verb and resource"
}

// describe writes the right into a question.
func (t Attributes) describe(spec *authorizationv1.SubjectAccessReviewSpec) {
	if t.Path != "" {
		spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: t.Verb, Path: t.Path}
		return
	}
	spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Namespace:   t.Namespace,
		Verb:        t.Verb,
		Group:       t.Group,
		Version:     "*",
		Resource:    t.Resource,
		Subresource: t.Subresource,
		Name:        t.Name,
	}
}

// Authorize returns nil when the user has the right. The errors are ErrForbidden and
// ErrUnavailable, with a *Error that says more.
func (a *Access) Authorize(ctx context.Context, u *User, t Attributes) error {
	digest := u.digest
	if digest == "" {
		digest = u.computeDigest()
	}
	_, err := a.rights.resolve(ctx, digest+t.key(), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.reviewAccess(ctx, u, t)
	})
	return err
}

// reviewAccess asks the API server whether the user has the right.
func (a *Access) reviewAccess(ctx context.Context, u *User, t Attributes) error {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   u.Username,
		UID:    u.UID,
		Groups: u.Groups,
	}}
	t.describe(&review.Spec)
	if len(u.Extra) > 0 {
		review.Spec.Extra = make(map[string]authorizationv1.ExtraValue, len(u.Extra))
		for name, values := range u.Extra {
			review.Spec.Extra[name] = values
		}
	}
	review, err := a.authorization.Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if review.Status.Allowed && !review.Status.Denied {
		return nil
	}
	return forbidden(fmt.Sprintf("User %q may not %s %s: %s.", u.Username, t, t.place(), t.remedy()))
}

// computeDigest hashes everything about the user that an authorizer may look at.
func (u *User) computeDigest() string {
	h := sha256.New()
	writeParts(h, u.Username, u.UID)
	writeParts(h, u.Groups...)
	for _, name := range slices.Sorted(maps.Keys(u.Extra)) {
		writeParts(h, name)
		writeParts(h, u.Extra[name]...)
	}
	return string(h.Sum(nil))
}

// writeParts hashes strings with their number and lengths, so that no two lists look alike.
func writeParts(h hash.Hash, parts ...string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(parts)))
	h.Write(n[:])
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		_, _ = io.WriteString(h, p) // a hash never fails
	}
}
