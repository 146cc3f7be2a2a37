// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"errors"
	"strings"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/payload"
)

// Subscription compiles a subscription. The error is an *Error that names the field; behind one of a
// pattern or an expression is the *filter.Error with line and column.
func Subscription(obj *hookv1.WebhookSubscription, d Defaults) (*delivery.Subscription, error) {
	s := &delivery.Subscription{
		Name:       delivery.Name{Namespace: obj.Namespace, Name: obj.Name},
		UID:        string(obj.UID),
		Generation: obj.Generation,
		Endpoint:   endpointName(obj, obj.Spec.EndpointRef),
		Suspended:  obj.Spec.Suspend != nil && *obj.Spec.Suspend,
	}
	if s.Endpoint.Name == "" {
		return nil, fieldErrorf("spec.endpointRef.name", "must not be empty: name a WebhookEndpoint")
	}
	if obj.Spec.DeadLetter != nil {
		name := endpointName(obj, obj.Spec.DeadLetter.EndpointRef)
		s.DeadLetter = &name
	}
	var err error
	if s.Match, err = compileMatcher(&obj.Spec); err != nil {
		return nil, err
	}
	if s.Payload, err = compilePayload(obj.Spec.Payload); err != nil {
		return nil, err
	}
	if s.Retry, err = compileRetry(obj.Spec.Retry, d); err != nil {
		return nil, err
	}
	return s, nil
}

// endpointName returns the name that a reference of the subscription stands for.
func endpointName(obj *hookv1.WebhookSubscription, ref hookv1.EndpointRef) delivery.Name {
	return delivery.Name{Namespace: ref.NamespaceOr(obj.Namespace), Name: string(ref.Name)}
}

// compileMatcher compiles patterns and filter.
func compileMatcher(spec *hookv1.WebhookSubscriptionSpec) (*filter.Matcher, error) {
	if len(spec.EventTypes) == 0 {
		return nil, fieldErrorf("spec.eventTypes", "must not be empty: write * for all types")
	}
	m, err := filter.NewMatcher(texts(spec.EventTypes), texts(spec.Sources), spec.Filter)
	if err != nil {
		return nil, filterError(err)
	}
	return m, nil
}

// compilePayload compiles format and transform.
func compilePayload(p *hookv1.Payload) (*payload.Plan, error) {
	format, transform := payload.FormatCloudEvents, ""
	if p != nil {
		transform = p.Transform
		if p.Format != "" {
			format = payload.Format(p.Format)
		}
	}
	plan, err := payload.NewPlan(format, transform)
	if err != nil {
		return nil, filterError(err)
	}
	return plan, nil
}

// filterError places an error of the filter or payload package on the field of the spec.
func filterError(err error) *Error {
	var f *filter.Error
	if !errors.As(err, &f) {
		return fieldError("spec.payload.format", err)
	}
	unplaced := *f
	unplaced.Field = ""
	return &Error{Path: specPath(f.Field), Message: unplaced.Error(), Cause: err}
}

// specPath returns the field of the spec that the filter package calls field.
func specPath(field string) string {
	switch {
	case strings.HasPrefix(field, "types["):
		return "spec.eventTypes" + strings.TrimPrefix(field, "types")
	case field == "transform" || field == "format":
		return "spec.payload." + field
	default:
		return "spec." + field
	}
}

// texts returns a list of patterns as plain strings.
func texts[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}
