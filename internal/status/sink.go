// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	applyv1 "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
)

// errOtherObject is returned by a write about an object that is gone, or that was replaced by another
// one of the same name.
var errOtherObject = errors.New("the object is gone or has another UID")

// errOutdated is returned by a write that came between a change of the object and the informers'
// learning of it: it may succeed in a moment.
var errOutdated = errors.New("the object changed meanwhile")

// sink stores the dispatcher's part of one status.
type sink interface {
	apply(ctx context.Context, k key, uid string, s *state) error
}

// apiSink writes to the API server.
type apiSink struct {
	client client.Client
	reader client.Reader
}

// apply sends the state by server-side apply. Nothing of the operator's is ever sent, so that there is
// nothing to contend for; should the operator own one of these fields all the same, the conflict is
// returned and not forced. What anybody else took over, by editing a status by hand, is taken back.
func (s apiSink) apply(ctx context.Context, k key, uid string, st *state) error {
	version, err := s.version(ctx, k, uid)
	if err != nil {
		return err
	}
	config, err := applyConfiguration(k, version, st)
	if err != nil {
		return err
	}
	owner := client.FieldOwner(hookv1.FieldManagerDispatcher)
	err = s.client.Status().Apply(ctx, config, owner)
	if !apierrors.IsConflict(err) {
		return err
	}
	managers := conflicts(err)
	switch {
	case len(managers) == 0:
		// The only other precondition is the resource version.
		return fmt.Errorf("%w: %w", errOutdated, err)
	case strings.Contains(strings.Join(managers, "\n"), hookv1.FieldManagerOperator):
		return err
	default:
		return s.client.Status().Apply(ctx, config, owner, client.ForceOwnership)
	}
}

// version returns the resource version of the object with that UID. Writing under it keeps the facts
// about one object from a later one of the same name: a UID is no precondition where a status is
// applied (the API server passes over it), and Routed=True of the object before would make the new
// one Ready.
func (s apiSink) version(ctx context.Context, k key, uid string) (string, error) {
	var obj client.Object = &hookv1.WebhookEndpoint{}
	switch k.kind {
	case hookv1.KindWebhookSubscription:
		obj = &hookv1.WebhookSubscription{}
	case hookv1.KindWebhookEventSource:
		obj = &hookv1.WebhookEventSource{}
	case hookv1.KindWebhookEventType:
		obj = &hookv1.WebhookEventType{}
	}
	switch err := s.reader.Get(ctx, client.ObjectKey(k.name), obj); {
	case apierrors.IsNotFound(err) || err == nil && string(obj.GetUID()) != uid:
		return "", errOtherObject
	case err != nil:
		return "", fmt.Errorf("read %s %s: %w", k.kind, k.name, err)
	}
	return obj.GetResourceVersion(), nil
}

// conflicts returns what the API server says of each field that another manager owns.
func conflicts(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var out []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			out = append(out, cause.Message)
		}
	}
	return out
}

// applyConfiguration returns what is sent. The status types leave out what is not set, so that their
// JSON is exactly the fields that the dispatcher owns.
func applyConfiguration(k key, version string, s *state) (runtime.ApplyConfiguration, error) {
	switch k.kind {
	case hookv1.KindWebhookEndpoint:
		status := applyv1.WebhookEndpointStatus()
		if err := convert(s.endpointStatus(), status); err != nil {
			return nil, err
		}
		return applyv1.WebhookEndpoint(k.name.Name, k.name.Namespace).WithResourceVersion(version).WithStatus(status), nil
	case hookv1.KindWebhookSubscription:
		status := applyv1.WebhookSubscriptionStatus()
		if err := convert(s.subscriptionStatus(), status); err != nil {
			return nil, err
		}
		return applyv1.WebhookSubscription(k.name.Name, k.name.Namespace).WithResourceVersion(version).WithStatus(status), nil
	case hookv1.KindWebhookEventSource:
		status := applyv1.WebhookEventSourceStatus()
		if err := convert(s.sourceStatus(), status); err != nil {
			return nil, err
		}
		return applyv1.WebhookEventSource(k.name.Name, k.name.Namespace).WithResourceVersion(version).WithStatus(status), nil
	case hookv1.KindWebhookEventType:
		status := applyv1.WebhookEventTypeStatus()
		if err := convert(s.eventTypeStatus(), status); err != nil {
			return nil, err
		}
		return applyv1.WebhookEventType(k.name.Name, k.name.Namespace).WithResourceVersion(version).WithStatus(status), nil
	default:
		return nil, fmt.Errorf("write status: unknown kind %q", k.kind)
	}
}

// convert turns a status into its apply configuration, which has the same JSON.
func convert(from, into any) error {
	b, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	return nil
}
