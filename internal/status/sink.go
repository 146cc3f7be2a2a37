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
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	applyv1 "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
)

// errOtherObject is returned by a write to an object whose UID is not the one that was meant: it was
// replaced by another one of the same name.
var errOtherObject = errors.New("the object has another UID")

// sink stores the dispatcher's part of one status.
type sink interface {
	apply(ctx context.Context, k key, uid string, s *state) error
}

// apiSink writes to the API server.
type apiSink struct{ client client.Client }

// apply sends the state by server-side apply. Nothing of the operator's is ever sent, so that there is
// nothing to contend for; should the operator own one of these fields all the same, the conflict is
// returned and not forced. What anybody else took over, by editing a status by hand, is taken back.
func (s apiSink) apply(ctx context.Context, k key, uid string, st *state) error {
	config, err := applyConfiguration(k, uid, st)
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
		// The only other precondition is the UID.
		return fmt.Errorf("%w: %w", errOtherObject, err)
	case strings.Contains(strings.Join(managers, "\n"), hookv1.FieldManagerOperator):
		return err
	default:
		return s.client.Status().Apply(ctx, config, owner, client.ForceOwnership)
	}
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
// JSON is exactly the fields that the dispatcher owns. The UID keeps the facts about one object from
// being written to a later one of the same name.
func applyConfiguration(k key, uid string, s *state) (runtime.ApplyConfiguration, error) {
	switch k.kind {
	case hookv1.KindWebhookEndpoint:
		status := applyv1.WebhookEndpointStatus()
		if err := convert(s.endpointStatus(), status); err != nil {
			return nil, err
		}
		return applyv1.WebhookEndpoint(k.name.Name, k.name.Namespace).WithUID(types.UID(uid)).WithStatus(status), nil
	case hookv1.KindWebhookSubscription:
		status := applyv1.WebhookSubscriptionStatus()
		if err := convert(s.subscriptionStatus(), status); err != nil {
			return nil, err
		}
		return applyv1.WebhookSubscription(k.name.Name, k.name.Namespace).WithUID(types.UID(uid)).WithStatus(status), nil
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
