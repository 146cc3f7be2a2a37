// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// configMapInterval is how often ConfigMaps are read again, which nothing watches.
const configMapInterval = 5 * time.Minute

// reconcileReferences resolves what the spec takes from Secrets and ConfigMaps beside the signing
// key. It owns no condition: what is wrong shows in Ready.
func (r *WebhookEndpointReconciler) reconcileReferences(ctx context.Context, run *endpointRun) error {
	for _, resolve := range []func(context.Context, *endpointRun) error{
		r.resolveURL, r.resolveHeaders, r.resolveAuthentication, r.resolveTLS,
	} {
		if err := run.judge("", resolve(ctx, run)); err != nil {
			return err
		}
	}
	return nil
}

func (r *WebhookEndpointReconciler) resolveURL(ctx context.Context, run *endpointRun) error {
	from := run.obj.Spec.URLFrom
	if from == nil {
		return nil
	}
	url, err := r.userValue(ctx, run.obj.Namespace, from.SecretKeyRef)
	if err != nil {
		return err
	}
	run.credentials.URL = url
	return nil
}

func (r *WebhookEndpointReconciler) resolveHeaders(ctx context.Context, run *endpointRun) error {
	for _, h := range run.obj.Spec.Headers {
		if h.ValueFrom == nil {
			continue
		}
		value, err := r.userValue(ctx, run.obj.Namespace, h.ValueFrom.SecretKeyRef)
		if err != nil {
			return err
		}
		run.credentials.Headers = append(run.credentials.Headers, compile.CredentialsHeader{Name: string(h.Name), Value: value})
	}
	return nil
}

func (r *WebhookEndpointReconciler) resolveAuthentication(ctx context.Context, run *endpointRun) error {
	auth, namespace := run.obj.Spec.Authentication, run.obj.Namespace
	switch {
	case auth == nil:
		return nil
	case auth.Basic != nil:
		username, password, err := r.pair(ctx, namespace, string(auth.Basic.SecretRef.Name),
			corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey)
		if err != nil {
			return err
		}
		run.credentials.Basic = &compile.CredentialsBasic{Username: username, Password: password}
	case auth.Bearer != nil:
		token, err := r.userValue(ctx, namespace, auth.Bearer.SecretRef)
		if err != nil {
			return err
		}
		run.credentials.Bearer = token
	case auth.OAuth2ClientCredentials != nil:
		return r.resolveOAuth2(ctx, run, auth.OAuth2ClientCredentials)
	}
	return nil
}

func (r *WebhookEndpointReconciler) resolveOAuth2(ctx context.Context, run *endpointRun, spec *hookv1.OAuth2ClientCredentials) error {
	secret, err := r.userValue(ctx, run.obj.Namespace, spec.ClientSecretRef)
	if err != nil {
		return err
	}
	run.credentials.OAuth2 = &compile.CredentialsOAuth2{
		TokenURL: string(spec.TokenURL), ClientID: spec.ClientID, ClientSecret: secret, Audience: spec.Audience,
	}
	for _, scope := range spec.Scopes {
		run.credentials.OAuth2.Scopes = append(run.credentials.OAuth2.Scopes, string(scope))
	}
	return nil
}

func (r *WebhookEndpointReconciler) resolveTLS(ctx context.Context, run *endpointRun) error {
	spec := run.obj.Spec.TLS
	if spec == nil {
		return nil
	}
	var err error
	if spec.CARef != nil {
		if run.credentials.CA, err = r.resolveCA(ctx, run, spec.CARef); err != nil {
			return err
		}
	}
	if ref := spec.ClientCertificateRef; ref != nil {
		run.credentials.ClientCertificate, run.credentials.ClientKey, err = r.pair(ctx, run.obj.Namespace,
			string(ref.Name), corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	}
	return err
}

// resolveCA reads a CA bundle. Certificates are public, so that a ConfigMap needs no mark.
func (r *WebhookEndpointReconciler) resolveCA(ctx context.Context, run *endpointRun, ref *hookv1.CARef) (string, error) {
	key := string(ref.Key)
	if key == "" {
		key = corev1.ServiceAccountRootCAKey
	}
	if ref.Kind == hookv1.CARefKindSecret {
		return r.userValue(ctx, run.obj.Namespace, hookv1.SecretKeySelector{Name: ref.Name, Key: hookv1.DataKey(key)})
	}
	configMap, err := r.getConfigMap(ctx, run.obj.Namespace, string(ref.Name))
	if err != nil {
		return "", err
	}
	if configMap == nil {
		return "", unwatchedf(hookv1.ReasonConfigMapNotFound,
			"ConfigMap %s does not exist: create it, or correct tls.caRef.name", ref.Name)
	}
	run.wakeIn(configMapInterval)
	bundle, ok := configMap.Data[key]
	if !ok {
		v := missingKey("ConfigMap", configMap.Name, key)
		v.unwatched = true
		return "", v
	}
	return bundle, nil
}

// pair reads two keys of one Secret.
func (b *Base) pair(ctx context.Context, namespace, name, first, second string) (string, string, error) {
	secret, err := b.userSecret(ctx, namespace, name)
	if err != nil {
		return "", "", err
	}
	one, err := valueOf("Secret", name, secret.Data, first)
	if err != nil {
		return "", "", err
	}
	two, err := valueOf("Secret", name, secret.Data, second)
	return one, two, err
}
