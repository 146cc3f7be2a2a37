// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/when"
)

// How long it counts what the API server said that it serves.
const (
	servedFor    = 10 * time.Minute
	notServedFor = 5 * time.Second
)

// served is how a kind is served.
type served struct {
	resource   schema.GroupVersionResource
	namespaced bool
	// schema is what the API server publishes of the kind's fields; nil where it publishes nothing.
	schema *when.Schema
	// document is where that is published: the API server gives it a new address when it changes.
	document string
}

// kinds knows which resources the API server serves. It is used by one goroutine.
type kinds struct {
	discovery *discovery.DiscoveryClient
	known     map[change.Resource]kindAnswer
}

type kindAnswer struct {
	served *served // nil when it is not
	// elsewhere are the API versions that serve the kind, where the one that was asked for does not.
	elsewhere []string
	until     time.Time
}

// find returns how a kind is served; nil when it is not. Where the API server does not answer, what was known stays,
// and the error is returned when nothing was.
func (k *kinds) find(ctx context.Context, r change.Resource) (*served, error) {
	last, ok := k.known[r]
	if ok && time.Now().Before(last.until) {
		return last.served, nil
	}
	s, err := k.look(ctx, r, last.served)
	if err != nil {
		if ok {
			return last.served, nil
		}
		return nil, err
	}
	a := kindAnswer{served: s, until: time.Now().Add(servedFor)}
	if s == nil {
		a.elsewhere, a.until = k.others(ctx, r), time.Now().Add(notServedFor)
	}
	k.known[r] = a
	return s, nil
}

// elsewhere returns the API versions that serve a kind which find did not find.
func (k *kinds) elsewhere(r change.Resource) []string { return k.known[r].elsewhere }

// others asks which versions of the group serve the kind; none where the API server does not say.
func (k *kinds) others(ctx context.Context, r change.Resource) []string {
	var group metav1.APIGroup
	if r.Group == "" || k.discovery.RESTClient().Get().AbsPath("apis", r.Group).Do(ctx).Into(&group) != nil {
		return nil
	}
	var versions []string
	for _, v := range group.Versions {
		if one, err := k.resource(ctx, v.GroupVersion, r.Kind); err == nil && one != nil {
			versions = append(versions, v.GroupVersion)
		}
	}
	return versions
}

// forget has the API server asked again about a kind.
func (k *kinds) forget(r change.Resource) {
	if a, ok := k.known[r]; ok {
		a.until = time.Time{}
		k.known[r] = a
	}
}

// look asks the API server. What it publishes of the fields is read again only where it has changed.
func (k *kinds) look(ctx context.Context, r change.Resource, last *served) (*served, error) {
	one, err := k.resource(ctx, r.APIVersion(), r.Kind)
	if one == nil {
		return nil, err
	}
	s := &served{
		resource:   schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: one.Name},
		namespaced: one.Namespaced,
	}
	return s, k.fields(ctx, r, s, last)
}

// resource returns the resource of a kind that can be watched; nil where the API version serves none.
func (k *kinds) resource(ctx context.Context, apiVersion, kind string) (*metav1.APIResource, error) {
	list, err := k.discovery.ServerResourcesForGroupVersionWithContext(ctx, apiVersion)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("ask what %s serves: %w", apiVersion, err)
	}
	for i := range list.APIResources {
		one := &list.APIResources[i]
		if one.Kind == kind && !strings.Contains(one.Name, "/") &&
			slices.Contains(one.Verbs, "watch") && slices.Contains(one.Verbs, "list") {
			return one, nil
		}
	}
	return nil, nil
}

// fields reads what the API server publishes of a kind's fields, if it does. Absent fields that a schema knows read as
// zero, so that an expression without it would mean something else.
func (k *kinds) fields(ctx context.Context, r change.Resource, s, last *served) error {
	paths, err := k.discovery.OpenAPIV3WithContext(ctx).PathsWithContext(ctx)
	if err != nil {
		return fmt.Errorf("ask for the schemas: %w", err)
	}
	group, ok := paths[when.DocumentOf(r.Group, r.Version)]
	if !ok {
		return nil
	}
	s.document = group.ServerRelativeURL()
	if last != nil && last.document == s.document {
		s.schema = last.schema
		return nil
	}
	document, err := group.SchemaWithContext(ctx, runtime.ContentTypeJSON)
	if err != nil {
		return fmt.Errorf("ask for the schemas of %s: %w", r.APIVersion(), err)
	}
	if s.schema, err = when.SchemaFor(document, r.Group, r.Version, r.Kind); errors.Is(err, when.ErrNoSchema) {
		return nil
	}
	return err
}
