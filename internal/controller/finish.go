// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// conflictDelay is the wait before an object is reconciled again whose Secret or status changed
// under the operator's hands: time for the cache to catch up.
const conflictDelay = 100 * time.Millisecond

// conditioned is an object with conditions.
type conditioned interface {
	client.Object
	GetConditions() []metav1.Condition
}

// run is one reconcile of one object, as finish needs it.
type run interface {
	// object is what was read, unchanged.
	object() conditioned
	// findings are what the steps reported.
	findings() *report
	// status is what the operator has to say, and nothing that the dispatcher writes. The conditions
	// are those of findings, completed.
	status(conditions []metav1.Condition) any
	// applied is the status that the operator applied last, as the object's managed fields tell.
	applied() (any, error)
	// configuration wraps the JSON of a status for server-side apply, under the resource version that
	// was read. What was concluded from an object must not be written to a later one of its name, whose
	// Ready would then be True before anything is routed, nor told twice because the cache lags behind;
	// a UID is no precondition where a status is applied.
	configuration(status []byte) (runtime.ApplyConfiguration, error)
	// success is Ready's message when nothing is wrong.
	success() string
}

// finish ends a reconcile: it sums the findings up in Ready, writes the status where it differs from
// what the operator applied last, and then tells the transitions. A step's error is returned for
// another try; the status then says no more than that a new generation is being looked at.
func (b *Base) finish(ctx context.Context, r run, stepErr error) (ctrl.Result, error) {
	b.tell(r.object(), r.findings().events)
	if stepErr != nil {
		return b.interrupted(ctx, r, stepErr)
	}
	obj, found := r.object(), r.findings()
	found.summarise(r.success())
	conditions := b.complete(obj, found.conditions)
	if err := b.writeStatus(ctx, r, r.status(conditions)); err != nil {
		return retry(err)
	}
	b.announce(ctx, obj, conditions, found)
	if v := found.worst(); v != nil && v.stalled && found.wake == 0 {
		return ctrl.Result{}, reconcile.TerminalError(v)
	}
	return ctrl.Result{RequeueAfter: found.wake}, nil
}

// interrupted ends a reconcile that an error cut short. A generation that the status already speaks
// of is left as it is: an unreachable API server makes nothing less ready.
func (b *Base) interrupted(ctx context.Context, r run, stepErr error) (ctrl.Result, error) {
	obj := r.object()
	ready := meta.FindStatusCondition(obj.GetConditions(), hookv1.ConditionReady)
	if ready != nil && ready.ObservedGeneration == obj.GetGeneration() {
		return retry(stepErr)
	}
	found := &report{}
	_ = found.judge("", pendingf(hookv1.ReasonProgressing, "Generation %d of %s %s is being looked at: wait for it",
		obj.GetGeneration(), kindOf(obj), obj.GetName()))
	found.summarise("")
	conditions := b.complete(obj, found.conditions)
	for _, c := range obj.GetConditions() {
		if ownedByOperator(c.Type) && meta.FindStatusCondition(conditions, c.Type) == nil && c.Type != hookv1.ConditionStalled {
			conditions = append(conditions, c)
		}
	}
	return retry(errors.Join(stepErr, b.writeConditions(ctx, r, conditions)))
}

// writeConditions applies the status that was applied last with other conditions: the steps that
// would fill the rest have not run.
func (b *Base) writeConditions(ctx context.Context, r run, conditions []metav1.Condition) error {
	last, err := r.applied()
	if err != nil {
		return fmt.Errorf("read managed fields: %w", err)
	}
	raw, err := json.Marshal(last)
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return fmt.Errorf("decode status: %w", err)
	}
	if fields == nil {
		fields = map[string]any{}
	}
	fields["conditions"], fields["observedGeneration"] = conditions, r.object().GetGeneration()
	return b.writeStatus(ctx, r, fields)
}

// retry has controller-runtime try again: soon and quietly where an object merely changed meanwhile,
// with its growing waits for everything else.
func retry(err error) (ctrl.Result, error) {
	switch {
	case err == nil:
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	default:
		return ctrl.Result{}, err
	}
}

// complete gives conditions the generation they speak of and the time they last changed, which moves
// only with the status.
func (b *Base) complete(obj conditioned, conditions []metav1.Condition) []metav1.Condition {
	now := metav1.NewTime(b.Now().Truncate(time.Second))
	out := slices.Clone(conditions)
	for i := range out {
		out[i].ObservedGeneration = obj.GetGeneration()
		out[i].LastTransitionTime = now
		before := meta.FindStatusCondition(obj.GetConditions(), out[i].Type)
		if before != nil && before.Status == out[i].Status {
			out[i].LastTransitionTime = before.LastTransitionTime
		}
	}
	return out
}

// writeStatus applies the status unless the operator applied the same before. It takes back what
// somebody else changed of the operator's own fields; it never sends one of the dispatcher's.
func (b *Base) writeStatus(ctx context.Context, r run, status any) error {
	want, err := canonical(status)
	if err != nil {
		return err
	}
	last, err := r.applied()
	if err != nil {
		return fmt.Errorf("read managed fields: %w", err)
	}
	have, err := canonical(last)
	if err != nil {
		return err
	}
	if bytes.Equal(want, have) {
		return nil
	}
	configuration, err := r.configuration(want)
	if err != nil {
		return fmt.Errorf("build status: %w", err)
	}
	err = b.Client.Status().Apply(ctx, configuration, client.FieldOwner(hookv1.FieldManagerOperator), client.ForceOwnership)
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("apply status: %w", err))
	}
	statusWrites.WithLabelValues(kindOf(r.object())).Inc()
	return nil
}

// canonical returns a status as JSON with its conditions in order of type, so that equal ones have
// equal bytes. The two come from different Go types: what the operator builds, and what the managed
// fields hold.
func canonical(status any) ([]byte, error) {
	raw, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("decode status: %w", err)
	}
	if conditions, ok := fields["conditions"].([]any); ok {
		slices.SortFunc(conditions, func(a, b any) int { return cmp.Compare(conditionType(a), conditionType(b)) })
	}
	out, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	return out, nil
}

func conditionType(condition any) string {
	fields, _ := condition.(map[string]any)
	name, _ := fields["type"].(string)
	return name
}

// tell writes the Kubernetes Events of what the steps did. They did it once, so that it is told whether
// or not the rest of the reconcile comes to its end.
func (b *Base) tell(obj conditioned, events []transition) {
	for _, e := range events {
		b.Recorder.Eventf(regarding(obj), nil, e.eventType, e.reason, e.action, "%s", e.note)
	}
}

// regarding names an object without its resource version. With that, each repetition of a transition
// would be another Event, and an object that goes back and forth would fill the cluster with them.
func regarding(obj conditioned) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: hookv1.GroupVersion.String(), Kind: kindOf(obj),
		Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID(),
	}
}

// announce tells in a Kubernetes Event and in the log that Ready is another one. A Ready that
// keeps its status and reason is none, and neither is the way from one state to the next (Unknown),
// except where the dispatcher is gone.
func (b *Base) announce(ctx context.Context, obj conditioned, conditions []metav1.Condition, found *report) {
	before := meta.FindStatusCondition(obj.GetConditions(), hookv1.ConditionReady)
	ready := meta.FindStatusCondition(conditions, hookv1.ConditionReady)
	if before != nil && before.Status == ready.Status && before.Reason == ready.Reason {
		return
	}
	log.FromContext(ctx).Info("Changed readiness", "ready", ready.Status, "reason", ready.Reason)
	v := found.worst()
	switch {
	case v != nil && v.told:
	case ready.Status == metav1.ConditionTrue:
		b.Recorder.Eventf(regarding(obj), nil, corev1.EventTypeNormal, ready.Reason, actionReconcile, "%s", ready.Message)
	case ready.Status == metav1.ConditionFalse, ready.Reason == hookv1.ReasonDispatcherUnavailable:
		b.Recorder.Eventf(regarding(obj), nil, corev1.EventTypeWarning, ready.Reason, actionReconcile, "%s", ready.Message)
	}
}

// ownedByOperator reports whether the operator writes the condition.
func ownedByOperator(conditionType string) bool {
	switch conditionType {
	case hookv1.ConditionReady, hookv1.ConditionReconciling, hookv1.ConditionStalled,
		hookv1.ConditionSigningKeyReady, hookv1.ConditionServiceResolved,
		hookv1.ConditionEndpointResolved, hookv1.ConditionFilterValid, hookv1.ConditionExpressionValid,
		hookv1.ConditionSchemaValid, hookv1.ConditionSubscriptionsCompatible:
		return true
	}
	return false
}
