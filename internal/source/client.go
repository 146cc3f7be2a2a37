// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	"github.com/posthorn-dev/posthorn/internal/change"
)

// client reads resources whose types nobody knew when this was built.
type client struct {
	dynamic  dynamic.Interface
	metadata metadata.Interface
}

// target is what is read.
type target struct {
	resource schema.GroupVersionResource
	key      watchKey
}

// metadataOnly reports whether no more than the metadata is ever read: of Secrets.
func (t target) metadataOnly() bool {
	return t.key.resource.Group == "" && t.key.resource.Kind == "Secret"
}

// watch begins a watch.
func (c client) watch(ctx context.Context, t target, o metav1.ListOptions) (apiwatch.Interface, error) {
	o.FieldSelector = t.key.fieldSelector
	if t.metadataOnly() {
		return c.metadata.Resource(t.resource).Namespace(t.key.namespace).Watch(ctx, o)
	}
	return c.dynamic.Resource(t.resource).Namespace(t.key.namespace).Watch(ctx, o)
}

// list reads one page: its objects, what the next page continues with, and the version of the list.
func (c client) list(ctx context.Context, t target, o metav1.ListOptions) (items []runtime.Object, next, version string, err error) {
	o.FieldSelector = t.key.fieldSelector
	var list runtime.Object
	if t.metadataOnly() {
		list, err = c.metadata.Resource(t.resource).Namespace(t.key.namespace).List(ctx, o)
	} else {
		list, err = c.dynamic.Resource(t.resource).Namespace(t.key.namespace).List(ctx, o)
	}
	if err != nil {
		return nil, "", "", err
	}
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return nil, "", "", fmt.Errorf("read list: %w", err)
	}
	if items, err = meta.ExtractList(list); err != nil {
		return nil, "", "", fmt.Errorf("read list: %w", err)
	}
	return items, accessor.GetContinue(), accessor.GetResourceVersion(), nil
}

// content returns an object as JSON has it. What the API server leaves out of the items of a list, group, version
// and kind, is filled in.
func content(o runtime.Object, r change.Resource) (map[string]any, error) {
	var object map[string]any
	switch o := o.(type) {
	case *unstructured.Unstructured:
		object = o.Object
	case *metav1.PartialObjectMetadata:
		var err error
		if object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(o); err != nil {
			return nil, fmt.Errorf("read metadata: %w", err)
		}
	default:
		return nil, fmt.Errorf("the API server sent a %T in place of an object", o)
	}
	object["apiVersion"], object["kind"] = r.APIVersion(), r.Kind
	return object, nil
}

// failure is the error that a watch ends with.
func failure(o runtime.Object) error {
	return fmt.Errorf("the API server ended the watch: %w", apierrors.FromObject(o))
}

// isExpired reports whether the API server no longer knows the version that was asked for.
func isExpired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }
