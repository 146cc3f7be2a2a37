// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// How long an answer about rights counts. One that was given is asked for again every lookAgain from then on, so that the
// events end within a minute of its end, whatever watch tells of that.
const (
	grantedFor = 50 * time.Second
	missingFor = 10 * time.Second
)

// verdict is whether a source may see a resource.
type verdict struct {
	// known is false while nobody could be asked.
	known, granted bool
	// reason and message say what is missing.
	reason, message string
}

// question is what the API server is asked: may the ServiceAccount read the resource there? Without an account it is
// about the dispatcher itself.
type question struct {
	account   delivery.Name
	resource  schema.GroupVersionResource
	namespace string
	// place is the namespace of the watch, in which the dispatcher has to read; empty for all. The source may want no
	// more than one namespace of them.
	place string
}

// own is the question about the dispatcher itself.
func (q question) own() question {
	return question{resource: q.resource, namespace: q.place, place: q.place}
}

// answer is a verdict and how long it counts.
type answer struct {
	verdict verdict
	until   time.Time
}

// rights asks who may read what, and remembers the answers for a minute at most. It is safe for concurrent use.
type rights struct {
	client kubernetes.Interface
	// flights has those who ask the same at a time share one answer.
	flights singleflight.Group

	mu      sync.Mutex
	answers map[question]answer
}

// expire has everything asked again.
func (r *rights) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for q, a := range r.answers {
		a.until = time.Time{}
		r.answers[q] = a
	}
}

// keep forgets the answers to other questions.
func (r *rights) keep(asked map[question]bool) {
	kept := maps.Clone(asked)
	for q := range asked {
		kept[q.own()] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for q := range r.answers {
		if !kept[q] {
			delete(r.answers, q)
		}
	}
}

// ask returns whether the ServiceAccount may read, and the dispatcher too.
func (r *rights) ask(ctx context.Context, q question) verdict {
	if v := r.recall(ctx, q); !v.granted {
		return v
	}
	return r.recall(ctx, q.own())
}

// recall returns one answer, from memory while it counts. Where the API server does not answer, the last one stays.
func (r *rights) recall(ctx context.Context, q question) verdict {
	r.mu.Lock()
	last, ok := r.answers[q]
	r.mu.Unlock()
	if ok && time.Now().Before(last.until) {
		return last.verdict
	}
	fresh, err, _ := r.flights.Do(fmt.Sprint(q), func() (any, error) {
		v, err := r.review(ctx, q)
		if err != nil {
			return nil, err
		}
		counts := missingFor
		if v.granted {
			counts = grantedFor
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.answers[q] = answer{v, time.Now().Add(counts)}
		return v, nil
	})
	if err != nil {
		return last.verdict
	}
	return fresh.(verdict)
}

// review asks the API server.
func (r *rights) review(ctx context.Context, q question) (verdict, error) {
	allows := r.allowsDispatcher
	if q != q.own() {
		if v, err := r.account(ctx, q.account); err != nil || !v.granted {
			return v, err
		}
		allows = r.allowsAccount
	}
	var missing []string
	for _, verb := range []string{"list", "watch"} {
		allowed, err := allows(ctx, q, verb)
		if err != nil {
			return verdict{}, fmt.Errorf("review access: %w", err)
		}
		if !allowed {
			missing = append(missing, verb)
		}
	}
	if len(missing) > 0 {
		return q.refused(strings.Join(missing, " and ")), nil
	}
	return verdict{known: true, granted: true}, nil
}

// account asks whether the ServiceAccount may be used.
func (r *rights) account(ctx context.Context, name delivery.Name) (verdict, error) {
	account, err := r.client.CoreV1().ServiceAccounts(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return verdict{known: true, reason: hookv1.ReasonServiceAccountNotFound, message: fmt.Sprintf(
			"ServiceAccount %s does not exist in namespace %s: create it, or name another in serviceAccountName.",
			name.Name, name.Namespace)}, nil
	case err != nil:
		return verdict{}, fmt.Errorf("read ServiceAccount: %w", err)
	case account.Labels[hookv1.LabelUse] != hookv1.LabelUseValue:
		return verdict{known: true, reason: hookv1.ReasonServiceAccountNotAllowed, message: fmt.Sprintf(
			"ServiceAccount %s may not be used by Posthorn: give it the label %s: %q.",
			name.Name, hookv1.LabelUse, hookv1.LabelUseValue)}, nil
	}
	return verdict{known: true, granted: true}, nil
}

// allowsAccount asks about the ServiceAccount, with the groups that each has.
func (r *rights) allowsAccount(ctx context.Context, q question, verb string) (bool, error) {
	review, err := r.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               "system:serviceaccount:" + q.account.Namespace + ":" + q.account.Name,
			Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:" + q.account.Namespace, "system:authenticated"},
			ResourceAttributes: q.attributes(verb),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// allowsDispatcher asks about the dispatcher itself.
func (r *rights) allowsDispatcher(ctx context.Context, q question, verb string) (bool, error) {
	review, err := r.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: q.attributes(verb)},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// refused is the verdict when these verbs are missing.
func (q question) refused(verbs string) verdict {
	if q == q.own() {
		return verdict{known: true, reason: hookv1.ReasonDispatcherPermissionMissing, message: fmt.Sprintf(
			"The dispatcher may not %s %s: the platform grants it by a ClusterRole with the label %s: %q.",
			verbs, q.what(), labelAggregate, "true")}
	}
	return verdict{known: true, reason: hookv1.ReasonPermissionMissing, message: fmt.Sprintf(
		"ServiceAccount %s may not %s %s: bind a role that grants it.", q.account.Name, verbs, q.what())}
}

// labelAggregate is on the ClusterRoles whose rules the dispatcher reads the cluster by.
const labelAggregate = "rbac.posthorn.dev/aggregate-to-source-reader"

func (q question) attributes(verb string) *authorizationv1.ResourceAttributes {
	return &authorizationv1.ResourceAttributes{
		Verb: verb, Group: q.resource.Group, Version: q.resource.Version, Resource: q.resource.Resource, Namespace: q.namespace,
	}
}

// what names the resource and the place for a message.
func (q question) what() string {
	what := q.resource.Resource
	if q.resource.Group != "" {
		what += "." + q.resource.Group
	}
	if q.namespace == "" {
		return what + " in the whole cluster"
	}
	return what + " in namespace " + q.namespace
}
