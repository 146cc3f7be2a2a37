// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package revisions watches Posthorn's resources and holds every revision that it sees against kstatus and against
// what the conditions promise: what a tool such as Flux, or kubectl wait, would conclude from it at that moment.
package revisions

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// retryPause is the wait before a watch is begun again that was refused, such as by an API server that is away.
const retryPause = 100 * time.Millisecond

// object is one of any kind.
type object interface {
	client.Object
	GetConditions() []metav1.Condition
}

// Recorder watches all objects of all kinds. Its methods are safe for concurrent use.
type Recorder struct {
	client client.WithWatch

	mu         sync.Mutex
	byStatus   map[status.Status]int
	current    map[string]bool
	violations []string
}

// Start begins to watch, until the context ends. From its return on no revision is missed, unless the API server
// forgets them while it cannot be reached.
func Start(ctx context.Context, config *rest.Config) (*Recorder, error) {
	scheme := runtime.NewScheme()
	if err := hookv1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register kinds: %w", err)
	}
	watcher, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	r := newRecorder(watcher)
	for _, list := range []client.ObjectList{
		&hookv1.WebhookEndpointList{}, &hookv1.WebhookSubscriptionList{}, &hookv1.WebhookEventSourceList{},
		&hookv1.WebhookEventTypeList{},
	} {
		from, err := r.look(ctx, list)
		if err != nil {
			return nil, err
		}
		go r.follow(ctx, list, from)
	}
	return r, nil
}

func newRecorder(c client.WithWatch) *Recorder {
	return &Recorder{client: c, byStatus: map[status.Status]int{}, current: map[string]bool{}}
}

// Violations returns what was wrong with the revisions since the last call, a text for each.
func (r *Recorder) Violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.violations
	r.violations = nil
	return found
}

// Statuses counts the revisions by what kstatus makes of them.
func (r *Recorder) Statuses() map[status.Status]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.byStatus)
}

// look notes how the objects are now, and returns the revision after which to watch.
func (r *Recorder) look(ctx context.Context, list client.ObjectList) (from string, err error) {
	list = list.DeepCopyObject().(client.ObjectList) // what is read into it shall not mix with a former answer
	if err := r.client.List(ctx, list); err != nil {
		return "", fmt.Errorf("list %T: %w", list, err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return "", fmt.Errorf("read %T: %w", list, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, item := range items {
		if o, ok := item.(object); ok {
			computed, _, err := compute(o)
			if err != nil {
				return "", err
			}
			r.current[key(o)] = computed == status.CurrentStatus
		}
	}
	return list.GetResourceVersion(), nil
}

// follow watches one kind, and goes on where it was when a watch ends.
func (r *Recorder) follow(ctx context.Context, list client.ObjectList, from string) {
	for ctx.Err() == nil {
		events, err := r.client.Watch(ctx, list, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: from}})
		known := true
		switch {
		case err == nil:
			from, known = r.take(events, from)
		case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
			known = false
		}
		if !known {
			var now string
			if now, err = r.look(ctx, list); err == nil {
				from = now
			}
		}
		if err == nil {
			continue
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
		}
	}
}

// take judges what a watch tells until it ends, and returns the last revision. It says whether the API server still
// knows that one.
func (r *Recorder) take(events watch.Interface, from string) (last string, known bool) {
	defer events.Stop()
	for e := range events.ResultChan() {
		o, ok := e.Object.(object)
		if !ok {
			return from, false
		}
		from = o.GetResourceVersion()
		if e.Type != watch.Deleted {
			r.record(o)
		}
	}
	return from, true
}

// record judges one revision.
func (r *Recorder) record(o object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	computed, observed, err := compute(o)
	if err != nil {
		r.violations = append(r.violations, err.Error())
		return
	}
	r.byStatus[computed]++
	became := computed == status.CurrentStatus && !r.current[key(o)]
	r.current[key(o)] = computed == status.CurrentStatus
	if !o.GetDeletionTimestamp().IsZero() {
		return
	}
	for _, err := range judge(o, computed, observed, became) {
		r.violations = append(r.violations, fmt.Sprintf("%T %s at revision %s, generation %d: %v\n%s",
			o, client.ObjectKeyFromObject(o), o.GetResourceVersion(), o.GetGeneration(), err, describe(o.GetConditions())))
	}
}

func key(o object) string {
	return fmt.Sprintf("%T/%s/%s", o, client.ObjectKeyFromObject(o), o.GetUID())
}

func describe(conditions []metav1.Condition) string {
	var out strings.Builder
	for _, c := range conditions {
		fmt.Fprintf(&out, "  %s=%s %s (generation %d): %s\n", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message)
	}
	return out.String()
}
