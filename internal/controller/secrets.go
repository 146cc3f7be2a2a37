// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"bytes"
	"context"
	"fmt"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// getSecret reads a Secret: from the cache, which holds those with the label, else from the API
// server. It returns nil for one that does not exist.
func (b *Base) getSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	secret := &corev1.Secret{}
	err := b.Client.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		err = b.Live.Get(ctx, key, secret)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get secret %s: %w", key, err)
	}
	return secret, nil
}

// userSecret reads a Secret that a spec refers to. Whoever may create an endpoint must not thereby
// read Secrets, so that it must carry the label, and must not be one of Posthorn's own: those carry
// the label too, and a header would send another endpoint's signing key to wherever one likes.
func (b *Base) userSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret, err := b.getSecret(ctx, namespace, name)
	switch {
	case err != nil:
		return nil, err
	case secret == nil:
		return nil, unwatchedf(hookv1.ReasonSecretNotFound,
			"Secret %s does not exist: create it with the label %s: %q", name, hookv1.LabelUse, hookv1.LabelUseValue)
	case madeByPosthorn(secret):
		return nil, waitingf(hookv1.ReasonSecretNotAllowed,
			"Secret %s is Posthorn's own and serves one endpoint only: name a Secret of yours", name)
	case secret.Labels[hookv1.LabelUse] != hookv1.LabelUseValue:
		return nil, unwatchedf(hookv1.ReasonSecretNotAllowed,
			"Secret %s is not marked for use by Posthorn: put the label %s: %q on it", name, hookv1.LabelUse, hookv1.LabelUseValue)
	}
	return secret, nil
}

// userValue reads one key of a Secret that a spec refers to.
func (b *Base) userValue(ctx context.Context, namespace string, ref hookv1.SecretKeySelector) (string, error) {
	secret, err := b.userSecret(ctx, namespace, string(ref.Name))
	if err != nil {
		return "", err
	}
	return valueOf("Secret", secret.Name, secret.Data, string(ref.Key))
}

// valueOf takes one value out of an object's data and cuts one trailing newline off.
func valueOf(kind, name string, data map[string][]byte, key string) (string, error) {
	value, ok := data[key]
	if !ok {
		return "", missingKey(kind, name, key)
	}
	if !utf8.Valid(value) {
		return "", waitingf(hookv1.ReasonInvalidCredentials,
			"Key %s of %s %s is not text: store it in UTF-8, or encoded", key, kind, name)
	}
	return string(cutNewline(value)), nil
}

func missingKey(kind, name, key string) *verdict {
	return waitingf(hookv1.ReasonKeyMissing, "%s %s has no key %s: add it, or name another key", kind, name, key)
}

// cutNewline cuts one trailing newline, which editors and echo leave in files that become Secrets.
func cutNewline(value []byte) []byte {
	if cut, ok := bytes.CutSuffix(value, []byte("\n")); ok {
		return bytes.TrimSuffix(cut, []byte("\r"))
	}
	return value
}

// madeByPosthorn reports whether the operator created the Secret. A user who may not write Secrets
// cannot make one look otherwise.
func madeByPosthorn(secret *corev1.Secret) bool {
	switch secret.Type {
	case hookv1.SecretTypeEndpointCredentials:
		return true
	case hookv1.SecretTypeSigningKey:
		return secret.Annotations[hookv1.AnnotationEndpoint] != "" ||
			secret.Labels[hookv1.LabelManagedBy] == hookv1.ManagedBy
	}
	return false
}

// getConfigMap reads a ConfigMap from the API server: ConfigMaps are not cached, since most have
// nothing to do with Posthorn. It returns nil for one that does not exist.
func (b *Base) getConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	configMap := &corev1.ConfigMap{}
	err := b.Live.Get(ctx, key, configMap)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get config map %s: %w", key, err)
	}
	return configMap, nil
}

// store creates a Secret, or updates the one that was read. An update carries the resource version
// that it was read with, so that it never overwrites what it has not seen, and no managed fields, of which the
// cache holds a part: the API server then goes on from its own.
func (b *Base) store(ctx context.Context, secret *corev1.Secret) error {
	secret.ManagedFields = nil
	verb, write := "update", func() error {
		return b.Client.Update(ctx, secret, client.FieldOwner(hookv1.FieldManagerOperator))
	}
	if secret.ResourceVersion == "" {
		verb, write = "create", func() error {
			return b.Client.Create(ctx, secret, client.FieldOwner(hookv1.FieldManagerOperator))
		}
	}
	if err := write(); err != nil {
		return fmt.Errorf("%s secret %s/%s: %w", verb, secret.Namespace, secret.Name, err)
	}
	return nil
}
