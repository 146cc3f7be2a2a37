// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	hookac "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/schema"
)

// maxNamed is how many subscriptions a condition names.
const maxNamed = 5

// WebhookEventTypeReconciler reconciles WebhookEventType objects: it validates the schema and the
// examples, and says which subscriptions read what the schema does not have.
type WebhookEventTypeReconciler struct {
	*Base
}

// eventTypeRun is one reconcile of one type.
type eventTypeRun struct {
	report
	obj *hookv1.WebhookEventType
	// value is the compiled type; nil unless events are to be checked by it.
	value         *catalogue.Type
	subscriptions int32
}

// Reconcile looks at one type.
func (r *WebhookEventTypeReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	obj := &hookv1.WebhookEventType{}
	if err := r.Client.Get(ctx, req.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			r.memos.types.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(fmt.Errorf("get webhook event type: %w", err))
	}
	if !obj.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	run := &eventTypeRun{obj: obj}
	return r.finish(ctx, run, r.reconcile(ctx, run))
}

func (r *WebhookEventTypeReconciler) reconcile(ctx context.Context, run *eventTypeRun) error {
	for _, step := range []func(context.Context, *eventTypeRun) error{
		r.reconcileSchema,
		r.reconcileSubscriptions,
		r.awaitDispatcher,
	} {
		if err := step(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// reconcileSchema says whether events can be checked by the object. It owns SchemaValid.
func (r *WebhookEventTypeReconciler) reconcileSchema(ctx context.Context, run *eventTypeRun) error {
	ruler, err := r.rulerOf(ctx, run.obj.Namespace, string(run.obj.Spec.Type))
	if err != nil {
		return err
	}
	if ruler != nil && ruler.Name != run.obj.Name {
		return run.judge(hookv1.ConditionSchemaValid, waitingf(hookv1.ReasonTypeConflict,
			"WebhookEventType %s is older and describes %s too: delete one of the two", ruler.Name, run.obj.Spec.Type))
	}
	compiled := r.compiledType(run.obj)
	if compiled.err != nil {
		return run.judge(hookv1.ConditionSchemaValid, stalledf(schemaReason(compiled.err), "%v", compiled.err))
	}
	run.value = compiled.value
	message := fmt.Sprintf("The data of %s can be checked by the schema", run.obj.Spec.Type)
	if run.value.Schema == nil {
		message = fmt.Sprintf("There is no schema: any data of %s is valid", run.obj.Spec.Type)
	}
	run.met(hookv1.ConditionSchemaValid, hookv1.ReasonValid, message)
	return nil
}

// schemaReason says what is wrong with a description.
func schemaReason(err error) string {
	switch {
	case errors.Is(err, schema.ErrRemoteRef):
		return hookv1.ReasonRemoteRefNotAllowed
	case errors.Is(err, compile.ErrExample):
		return hookv1.ReasonExampleInvalid
	}
	return hookv1.ReasonSchemaInvalid
}

// compiledType compiles the description of a type, once for each generation.
func (b *Base) compiledType(obj *hookv1.WebhookEventType) compiledType {
	return b.memos.types.get(obj, func() compiledType {
		value, err := compile.EventType(obj)
		return compiledType{value, err}
	})
}

// rulerOf returns the object that describes a type of a namespace: the oldest of those that do, nil
// without one.
func (b *Base) rulerOf(ctx context.Context, namespace, eventType string) (*hookv1.WebhookEventType, error) {
	var list hookv1.WebhookEventTypeList
	if err := b.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{indexTypes: eventType}); err != nil {
		return nil, fmt.Errorf("list webhook event types of %s: %w", eventType, err)
	}
	var ruler *hookv1.WebhookEventType
	for i := range list.Items {
		one := &list.Items[i]
		if one.DeletionTimestamp.IsZero() && (ruler == nil || compile.Rules(one, ruler)) {
			ruler = one
		}
	}
	return ruler, nil
}

// typesOf returns the types that a subscription names and that can be checked.
func (b *Base) typesOf(ctx context.Context, obj *hookv1.WebhookSubscription) (map[string]*catalogue.Type, error) {
	names, only := compile.ExactTypes(obj)
	if !only {
		return nil, nil
	}
	types := make(map[string]*catalogue.Type, len(names))
	for _, name := range names {
		ruler, err := b.rulerOf(ctx, obj.Namespace, name)
		if err != nil {
			return nil, err
		}
		if ruler == nil {
			if builtin := catalogue.BuiltinOf(name); builtin != nil {
				types[name] = builtin
			}
			continue
		}
		if compiled := b.compiledType(ruler); compiled.err == nil {
			types[name] = compiled.value
		}
	}
	return types, nil
}

// checkFields returns what a subscription reads of the types that it names and that does not exist.
func (b *Base) checkFields(ctx context.Context, obj *hookv1.WebhookSubscription) (*compile.Error, error) {
	types, err := b.typesOf(ctx, obj)
	if err != nil || len(types) == 0 {
		return nil, err
	}
	reads := b.memos.reads.get(obj, func() compile.Reads { return compile.ReadsOf(obj) })
	if missing, ok := errors.AsType[*compile.Error](compile.CheckFields(obj, reads, types)); ok {
		return missing, nil
	}
	return nil, nil
}

// reconcileSubscriptions counts the subscriptions that take the type, and names those that read what
// it does not have. It owns SubscriptionsCompatible, which is no matter of the type's own readiness.
func (r *WebhookEventTypeReconciler) reconcileSubscriptions(ctx context.Context, run *eventTypeRun) error {
	var list hookv1.WebhookSubscriptionList
	if err := r.Client.List(ctx, &list, client.InNamespace(run.obj.Namespace)); err != nil {
		return fmt.Errorf("list webhook subscriptions: %w", err)
	}
	broken := map[string]string{}
	for i := range list.Items {
		obj := &list.Items[i]
		if !obj.DeletionTimestamp.IsZero() || !compile.TakesType(obj, string(run.obj.Spec.Type)) {
			continue
		}
		run.subscriptions++
		if run.value == nil {
			continue
		}
		missing, err := r.checkFields(ctx, obj)
		if err != nil {
			return err
		}
		if missing != nil {
			broken[obj.Name] = missing.Error()
		}
	}
	switch {
	case run.value == nil:
	case len(broken) == 0:
		run.met(hookv1.ConditionSubscriptionsCompatible, hookv1.ReasonCompatible,
			fmt.Sprintf("Nothing is known to be missing of what subscriptions read of %s", run.obj.Spec.Type))
	default:
		run.set(hookv1.ConditionSubscriptionsCompatible, metav1.ConditionFalse, hookv1.ReasonFieldNotFound, brokenMessage(broken))
	}
	return nil
}

// brokenMessage names the subscriptions that read what does not exist, and says what that is of the
// first ones.
func brokenMessage(broken map[string]string) string {
	names := make([]string, 0, len(broken))
	for name := range broken {
		names = append(names, name)
	}
	slices.Sort(names)
	var texts []string
	for _, name := range names[:min(len(names), maxNamed)] {
		texts = append(texts, fmt.Sprintf("%s (%s)", name, broken[name]))
	}
	if more := len(names) - maxNamed; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return "These WebhookSubscriptions read what does not exist: " + strings.Join(texts, "; ") +
		": correct them, or add the fields to the schema"
}

// awaitDispatcher looks at what the dispatcher says of this generation. It owns no condition.
func (r *WebhookEventTypeReconciler) awaitDispatcher(_ context.Context, run *eventTypeRun) error {
	v := r.dispatcherVerdict(run.obj, hookv1.ConditionRouted)
	if v == nil {
		return nil
	}
	return run.judge("", v)
}

func (run *eventTypeRun) object() conditioned { return run.obj }

func (run *eventTypeRun) findings() *report { return &run.report }

func (run *eventTypeRun) success() string {
	switch {
	case run.value == nil:
		return "" // Ready is not True then
	case run.value.Schema == nil:
		return fmt.Sprintf("Events of type %s are described, and taken with any data", run.obj.Spec.Type)
	case run.value.Warn:
		return fmt.Sprintf("Events of type %s are checked; those that violate the schema are counted and taken", run.obj.Spec.Type)
	}
	return fmt.Sprintf("Events of type %s are checked; those that violate the schema are refused", run.obj.Spec.Type)
}

// status is what the operator says of the type.
func (run *eventTypeRun) status(conditions []metav1.Condition) any {
	return hookv1.WebhookEventTypeStatus{
		Conditions:         conditions,
		ObservedGeneration: &run.obj.Generation,
		Subscriptions:      &run.subscriptions,
	}
}

// applied returns what the operator applied last.
func (run *eventTypeRun) applied() (any, error) {
	last, err := hookac.ExtractWebhookEventTypeStatus(run.obj, hookv1.FieldManagerOperator)
	if err != nil {
		return nil, err
	}
	return last.Status, nil
}

// configuration wraps a status for server-side apply.
func (run *eventTypeRun) configuration(status []byte) (runtime.ApplyConfiguration, error) {
	apply := hookac.WebhookEventTypeStatus()
	if err := json.Unmarshal(status, apply); err != nil {
		return nil, err
	}
	return hookac.WebhookEventType(run.obj.Name, run.obj.Namespace).
		WithResourceVersion(run.obj.ResourceVersion).WithStatus(apply), nil
}
