// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/when"
)

// reconcileExpression owns ExpressionValid: the expression compiles for every kind that the source
// watches. A kind that has no schema, because it is not served or has none, admits every field: that it
// is not served is the dispatcher's to say.
func (r *WebhookEventSourceReconciler) reconcileExpression(ctx context.Context, run *sourceRun) error {
	if run.source == nil || run.source.When == nil {
		return nil
	}
	var untyped []string
	for _, resource := range run.source.Resources {
		schema, err := r.Schemas.Of(ctx, resource)
		if errors.Is(err, when.ErrNoSchema) {
			untyped = append(untyped, resource.Kind+" of "+apiVersion(resource))
		} else if err != nil {
			return fmt.Errorf("find schema of %s: %w", resource.Kind, err)
		}
		if _, err := when.Compile(run.source.When.Expression, schema); err != nil {
			return run.judge(hookv1.ConditionExpressionValid, expressionVerdict(resource, err))
		}
	}
	if len(untyped) > 0 {
		run.met(hookv1.ConditionExpressionValid, hookv1.ReasonTypesUnknown, fmt.Sprintf(
			"The expression compiles; its fields are not checked, since the cluster has no schema of %s", strings.Join(untyped, ", ")))
		run.wakeIn(recheckInterval)
		return nil
	}
	run.met(hookv1.ConditionExpressionValid, hookv1.ReasonValid, "The expression compiles, and its fields exist")
	return nil
}

// expressionVerdict is the verdict on an expression that does not compile for a resource. When the
// schema changes the source is looked at again, but only its author can be relied on to help.
func expressionVerdict(resource compile.Resource, err error) error {
	var e *when.Error
	if !errors.As(err, &e) {
		return err
	}
	reason := hookv1.ReasonInvalidExpression
	if errors.Is(err, filter.ErrCostExceeded) {
		reason = hookv1.ReasonExpressionTooExpensive
	}
	unplaced := *e
	unplaced.Field = ""
	return stalledf(reason, "spec.when.expression: %s (of kind %s)", unplaced.Error(), resource.Kind)
}

// apiVersion returns group and version as manifests have them.
func apiVersion(r compile.Resource) string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}
