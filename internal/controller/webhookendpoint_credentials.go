// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// newCredentials returns the credentials of this generation, still empty.
func newCredentials(obj *hookv1.WebhookEndpoint) *compile.Credentials {
	return &compile.Credentials{Endpoint: compile.CredentialsOwner{
		Namespace: obj.Namespace, Name: obj.Name, UID: string(obj.UID), Generation: obj.Generation,
	}}
}

// loadCredentials reads what the dispatcher has now.
func (r *WebhookEndpointReconciler) loadCredentials(ctx context.Context, run *endpointRun) error {
	secret, err := r.getSecret(ctx, r.Namespace, compile.CredentialsName(run.obj.Namespace, run.obj.Name))
	if err != nil || secret == nil {
		return err
	}
	stored, err := compile.ParseCredentials(secret.Data[compile.CredentialsKey])
	if err != nil {
		// Somebody else wrote there. It is written anew; only the memory of the last key is gone.
		log.FromContext(ctx).Info("Credentials were not readable", "error", err.Error())
		return nil
	}
	run.stored = stored
	return nil
}

// reconcileCredentials writes the one Secret that the dispatcher reads for the endpoint. It owns no
// condition: the dispatcher's Routed says whether it has arrived.
//
// While something is missing the dispatcher gets no more than the keys, and for no generation: it
// holds the deliveries. So taking the label off a Secret, or deleting it, stops its use at once, and
// the keys are remembered for the overlap with whatever comes next.
func (r *WebhookEndpointReconciler) reconcileCredentials(ctx context.Context, run *endpointRun) error {
	if run.blocked() {
		if run.stored == nil {
			return nil
		}
		held := &compile.Credentials{Endpoint: run.credentials.Endpoint, SigningKeys: run.stored.SigningKeys}
		held.Endpoint.Generation = 0
		if run.stored.Endpoint.UID != string(run.obj.UID) {
			held.SigningKeys = nil
		}
		if len(run.credentials.SigningKeys) > 0 {
			held.SigningKeys = run.credentials.SigningKeys
		}
		return r.writeCredentials(ctx, held)
	}
	return r.writeCredentials(ctx, run.credentials)
}

// writeCredentials stores credentials unless the same are there.
func (b *Base) writeCredentials(ctx context.Context, credentials *compile.Credentials) error {
	owner := credentials.Endpoint
	name := compile.CredentialsName(owner.Namespace, owner.Name)
	data, err := credentials.Marshal()
	if err != nil {
		return err
	}
	found, err := b.getSecret(ctx, b.Namespace, name)
	if err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: name},
		Type:       hookv1.SecretTypeEndpointCredentials,
	}
	if found != nil {
		if found.Type != secret.Type {
			return fmt.Errorf("write secret %s/%s: it exists with the type %s: delete it", b.Namespace, name, found.Type)
		}
		secret = found.DeepCopy()
	}
	secret.Labels = map[string]string{hookv1.LabelUse: hookv1.LabelUseValue, hookv1.LabelManagedBy: hookv1.ManagedBy}
	annotate(secret, hookv1.AnnotationEndpoint, owner.Namespace+"/"+owner.Name)
	secret.Data = map[string][]byte{compile.CredentialsKey: data}
	if found != nil && equality.Semantic.DeepEqual(found, secret) {
		return nil
	}
	return b.store(ctx, secret)
}

// forgetCredentials deletes the credentials of an endpoint that is gone. An owner reference cannot do
// that across namespaces, and a finalizer would keep endpoints from being deleted while the operator
// is away; what is missed then, the sweeper finds.
func (b *Base) forgetCredentials(ctx context.Context, namespace, name string) error {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: b.Namespace, Name: compile.CredentialsName(namespace, name)}
	if err := b.Client.Get(ctx, key, secret); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("get secret %s: %w", key, err))
	}
	return b.deleteCredentials(ctx, secret)
}

// deleteCredentials deletes a Secret as it was read: one that was written meanwhile stays.
func (b *Base) deleteCredentials(ctx context.Context, secret *corev1.Secret) error {
	if secret.Type != hookv1.SecretTypeEndpointCredentials {
		return nil
	}
	err := b.Client.Delete(ctx, secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return nil
}
