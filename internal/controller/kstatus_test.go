// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"sync"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/runtime/conditions/check"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// stallReasons are those that only a change of the spec can help. Failed with another one would give
// an object up that may still come right.
var stallReasons = map[string]bool{
	hookv1.ReasonInvalidSpec: true, hookv1.ReasonInvalidEventType: true, hookv1.ReasonInvalidSource: true,
	hookv1.ReasonInvalidFilter: true, hookv1.ReasonFilterTooExpensive: true,
	hookv1.ReasonInvalidTransform: true, hookv1.ReasonTransformTooExpensive: true,
}

// revisionRecorder watches all objects of both kinds for the whole suite, and holds every revision
// against kstatus. What it objects to, the spec that is running then fails with.
type revisionRecorder struct {
	mu         sync.Mutex
	seen       int
	byStatus   map[status.Status]int
	wasReady   map[string]bool
	violations []string
}

func startRevisionRecorder() *revisionRecorder {
	GinkgoHelper()
	r := &revisionRecorder{byStatus: map[status.Status]int{}, wasReady: map[string]bool{}}
	watcher, err := client.NewWithWatch(plane.Config(), client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	for _, list := range []client.ObjectList{&hookv1.WebhookEndpointList{}, &hookv1.WebhookSubscriptionList{}} {
		Expect(watcher.List(ctx, list)).To(Succeed())
		source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return watcher.Watch(ctx, list, &client.ListOptions{Raw: &o})
		}}
		events, err := watchtools.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), source)
		Expect(err).NotTo(HaveOccurred())
		go r.run(events.ResultChan())
	}
	return r
}

func (r *revisionRecorder) run(events <-chan watch.Event) {
	for e := range events {
		if obj, ok := e.Object.(conditioned); ok && e.Type != watch.Deleted {
			r.record(obj)
		}
	}
}

// record judges one revision.
func (r *revisionRecorder) record(obj conditioned) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen++
	for _, err := range r.judge(obj) {
		r.violations = append(r.violations, fmt.Sprintf("%T %s at revision %s: %v\n%s",
			obj, client.ObjectKeyFromObject(obj), obj.GetResourceVersion(), err, describe(obj.GetConditions())))
	}
}

func (r *revisionRecorder) judge(obj conditioned) []error {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return []error{err}
	}
	computed, err := status.Compute(&unstructured.Unstructured{Object: fields})
	if err != nil {
		return []error{err}
	}
	r.byStatus[computed.Status]++
	observed, _, _ := unstructured.NestedInt64(fields, "status", "observedGeneration")
	ready := meta.FindStatusCondition(obj.GetConditions(), hookv1.ConditionReady)
	key := fmt.Sprintf("%T/%s/%s", obj, client.ObjectKeyFromObject(obj), obj.GetUID())
	becameReady := computed.Status == status.CurrentStatus && !r.wasReady[key]
	r.wasReady[key] = computed.Status == status.CurrentStatus
	if !obj.GetDeletionTimestamp().IsZero() {
		return nil
	}

	var errs []error
	if computed.Status != status.InProgressStatus && (ready == nil || ready.ObservedGeneration != obj.GetGeneration()) {
		errs = append(errs, fmt.Errorf("%s without a Ready of this generation", computed.Status))
	}
	if becameReady {
		for _, required := range requiredOf(obj) {
			c := meta.FindStatusCondition(obj.GetConditions(), required)
			if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != obj.GetGeneration() {
				errs = append(errs, fmt.Errorf("current before %s of this generation is True", required))
			}
		}
	}
	if computed.Status == status.FailedStatus && !stallReasons[ready.Reason] {
		errs = append(errs, fmt.Errorf("failed, though %s may still come right", ready.Reason))
	}
	if observed == obj.GetGeneration() {
		errs = append(errs, checkConditions(obj)...)
	}
	return errs
}

// requiredOf lists what must be True of an object before an event would be delivered.
func requiredOf(obj conditioned) []string {
	if endpoint, ok := obj.(*hookv1.WebhookEndpoint); ok {
		required := []string{hookv1.ConditionRouted, hookv1.ConditionDestinationAllowed}
		if endpoint.SigningSecretName() != "" {
			required = append(required, hookv1.ConditionSigningKeyReady)
		}
		if endpoint.Spec.ServiceRef != nil {
			required = append(required, hookv1.ConditionServiceResolved)
		}
		return required
	}
	return []string{hookv1.ConditionRouted, hookv1.ConditionEndpointResolved, hookv1.ConditionFilterValid}
}

// checkConditions runs the checks of flux on a status that a reconcile has written: the full ones, and
// those of an object in progress while Ready is Unknown.
func checkConditions(obj conditioned) []error {
	checker := check.NewInProgressChecker(nil)
	ready := meta.FindStatusCondition(obj.GetConditions(), hookv1.ConditionReady)
	if ready != nil && ready.Status != metav1.ConditionUnknown {
		checker = check.NewChecker(nil, &check.Conditions{
			NegativePolarity: []string{hookv1.ConditionStalled, hookv1.ConditionReconciling},
		})
	}
	checker.DisableFetch = true
	fail, warn := checker.Check(context.Background(), obj)
	var errs []error
	for _, err := range []error{fail, warn} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func describe(conditions []metav1.Condition) string {
	out := ""
	for _, c := range conditions {
		out += fmt.Sprintf("  %s=%s %s (generation %d): %s\n", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message)
	}
	return out
}

var _ = AfterEach(func() {
	revisions.mu.Lock()
	defer revisions.mu.Unlock()
	found := revisions.violations
	revisions.violations = nil
	Expect(found).To(BeEmpty())
})

var _ = ReportAfterSuite("every state was seen", func(r Report) {
	if revisions != nil {
		revisions.mu.Lock()
		defer revisions.mu.Unlock()
		Expect(revisions.violations).To(BeEmpty(), "in revisions that were seen after the last spec")
	}
	if !r.SuiteSucceeded || revisions == nil || r.SuiteConfig.FocusStrings != nil {
		return
	}
	Expect(revisions.byStatus).To(HaveKey(status.CurrentStatus))
	Expect(revisions.byStatus).To(HaveKey(status.InProgressStatus))
	Expect(revisions.byStatus).To(HaveKey(status.FailedStatus))
})
