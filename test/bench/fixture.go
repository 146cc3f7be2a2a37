// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

// tenant is a namespace with endpoints and subscriptions. No operator runs: the bench makes the Secrets of the
// endpoints as the operator would, so that nothing but the dispatcher works beside what is measured.
type tenant struct {
	platform         *platform.Platform
	namespace, token string
	// configuration is that of the tenant's dispatchers, where it is not that of all benches, and neighbours are the
	// namespaces that they route beside its own.
	configuration string
	neighbours    []string
}

func newTenant(ctx context.Context, p *platform.Platform) (*tenant, error) {
	namespace, token, err := p.Tenant(ctx)
	return &tenant{platform: p, namespace: namespace, token: token}, err
}

// newEndpoint is an endpoint of a URL, with all else as it is by default.
func newEndpoint(namespace, name, url string) *hookv1.WebhookEndpoint {
	return &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       hookv1.WebhookEndpointSpec{URL: hookv1.URL(url)},
	}
}

// endpoint makes an endpoint of a URL, with its credentials.
func (t *tenant) endpoint(ctx context.Context, name, url string, change func(*hookv1.WebhookEndpointSpec)) error {
	e := newEndpoint(t.namespace, name, url)
	if change != nil {
		change(&e.Spec)
	}
	if err := t.platform.Admin.Create(ctx, e); err != nil {
		return fmt.Errorf("create endpoint: %w", err)
	}
	return t.credentials(ctx, e)
}

// credentials makes the Secret of an endpoint, or brings it up to the endpoint's generation.
func (t *tenant) credentials(ctx context.Context, e *hookv1.WebhookEndpoint) error {
	credentials := compile.Credentials{
		Endpoint: compile.CredentialsOwner{
			Namespace: e.Namespace, Name: e.Name, UID: string(e.UID), Generation: e.Generation,
		},
		SigningKeys: []string{load.Key},
	}
	encoded, err := credentials.Marshal()
	if err != nil {
		return fmt.Errorf("encode credentials: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: platform.Namespace, Name: compile.CredentialsName(e.Namespace, e.Name),
			Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue},
		},
		Type: hookv1.SecretTypeEndpointCredentials,
		Data: map[string][]byte{compile.CredentialsKey: encoded},
	}
	err = t.platform.Admin.Create(ctx, secret)
	if client.IgnoreAlreadyExists(err) == nil && err != nil {
		err = t.platform.Admin.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("store credentials: %w", err)
	}
	return nil
}

// subscription makes a subscription of an endpoint to a type.
func (t *tenant) subscription(ctx context.Context, name, endpoint, eventType string, change func(*hookv1.WebhookSubscriptionSpec)) error {
	s := &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: hookv1.ObjectName(endpoint)},
			EventTypes:  []hookv1.EventTypePattern{hookv1.EventTypePattern(eventType)},
		},
	}
	if change != nil {
		change(&s.Spec)
	}
	if err := t.platform.Admin.Create(ctx, s); err != nil {
		return fmt.Errorf("create subscription: %w", err)
	}
	return nil
}

// fan makes n endpoints on the paths /r/0 to /r/n-1, each with a subscription to the type.
func (t *tenant) fan(ctx context.Context, r *receiver, prefix, eventType string, n int) error {
	for i := range n {
		name := fmt.Sprintf("%s-%d", prefix, i)
		if err := t.endpoint(ctx, name, r.url(fmt.Sprintf("/r/%d", i)), nil); err != nil {
			return err
		}
		if err := t.subscription(ctx, name, name, eventType, nil); err != nil {
			return err
		}
	}
	return nil
}

// routed waits until a dispatcher routes to all subscriptions of the tenant.
func (t *tenant) routed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return t.platform.AwaitSubscriptions(ctx, t.namespace, "all are Routed", func(s *hookv1.WebhookSubscription) error {
		c := meta.FindStatusCondition(s.Status.Conditions, hookv1.ConditionRouted)
		if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != s.Generation {
			return fmt.Errorf("it is not routed: %+v", c)
		}
		return nil
	})
}

// prepare makes a data directory in which all subscriptions of the tenant have begun, and returns its path.
func (s *session) prepare(ctx context.Context, t *tenant) (string, error) {
	d, err := s.newDispatcher(ctx, t, "")
	if err != nil {
		return "", err
	}
	if err := d.Start(); err != nil {
		return "", err
	}
	defer d.Kill()
	// The positions are stored before the first table counts as loaded, and that holds all there is.
	if err := d.AwaitReady(ctx); err != nil {
		return "", err
	}
	return d.DataDir, d.Stop()
}

// accept puts events of a type into the log of a dispatcher that does not run, as ingest would.
func (t *tenant) accept(ctx context.Context, data, eventType string, events int) error {
	log, err := eventlog.Open(ctx, eventlog.Options{Dir: filepath.Clean(data), MaxBytes: storageBytes})
	if err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	defer log.Close()
	template, err := load.NewTemplate(eventType)
	if err != nil {
		return err
	}
	const batch = 1_000
	records := make([][]byte, 0, batch)
	for n := range events {
		body := template.Copy()
		template.Number(body, n)
		e, err := event.ParseStructured(t.namespace, body)
		if err != nil {
			return fmt.Errorf("parse event: %w", err)
		}
		if records = append(records, e.AppendRecord(nil)); len(records) < batch && n < events-1 {
			continue
		}
		if _, err := log.Append(ctx, t.namespace, records); err != nil {
			return err
		}
		records = records[:0]
	}
	return nil
}
