// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/pki"
)

// Names of what an IngestCertificate keeps, in Posthorn's own namespace.
const (
	// ingestSecret holds the certificate and its key, as the dispatcher mounts them.
	ingestSecret = "posthorn-dispatcher-tls"
	// ingestAuthoritySecret holds what signs it.
	ingestAuthoritySecret = "posthorn-ingest-ca"
	// ingestBundle is the ConfigMap of what producers trust, and ingestBundleKey its key.
	ingestBundle, ingestBundleKey = "posthorn-ca", "ca.crt"

	nextCertificateKey, nextPrivateKey = "next.crt", "next.key"
)

// certificateInterval is how often the certificate is looked at, and certificateRetry how soon again after an
// error.
const (
	certificateInterval = time.Minute
	certificateRetry    = 5 * time.Second
)

// IngestCertificate keeps a certificate for ingest, and publishes the authority that producers trust. A Secret
// of that name that somebody else made is left alone: then the certificate is theirs.
type IngestCertificate struct {
	*Base
	// Names are the DNS names of the certificate.
	Names []string
}

// Start looks at once and then every minute, until ctx ends. The manager runs it on the leader.
func (c *IngestCertificate) Start(ctx context.Context) error {
	for {
		wait := certificateInterval
		if err := c.ensure(ctx); err != nil && ctx.Err() == nil {
			wait = certificateRetry
			log.FromContext(ctx).Error(err, "Failed to keep the certificate of ingest, trying again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// ensure makes and renews what is due. The bundle is written before anything that it is to verify.
func (c *IngestCertificate) ensure(ctx context.Context) error {
	serving, err := c.owned(ctx, ingestSecret, corev1.SecretTypeTLS)
	if serving == nil || err != nil {
		return err
	}
	holder, err := c.owned(ctx, ingestAuthoritySecret, corev1.SecretTypeTLS)
	if err != nil {
		return err
	}
	if holder == nil {
		return fmt.Errorf("secret %s/%s is not Posthorn's: delete it, or bring a certificate in the secret %s",
			c.Namespace, ingestAuthoritySecret, ingestSecret)
	}
	now := c.Now()
	authority := &pki.Authority{
		Current: pki.Pair{Certificate: holder.Data[corev1.TLSCertKey], Key: holder.Data[corev1.TLSPrivateKeyKey]},
		Next:    pki.Pair{Certificate: holder.Data[nextCertificateKey], Key: holder.Data[nextPrivateKey]},
	}
	changed, err := authority.Renew(now)
	if err != nil {
		return fmt.Errorf("renew authority of ingest: %w", err)
	}
	if changed {
		holder.Data = map[string][]byte{
			corev1.TLSCertKey: authority.Current.Certificate, corev1.TLSPrivateKeyKey: authority.Current.Key,
			nextCertificateKey: authority.Next.Certificate, nextPrivateKey: authority.Next.Key,
		}
		if err := c.store(ctx, holder); err != nil {
			return err
		}
	}
	bundle := authority.Bundle(now)
	if err := c.publish(ctx, bundle); err != nil {
		return err
	}
	return c.renew(ctx, serving, authority, bundle, now)
}

// renew makes a new serving certificate when that is due.
func (c *IngestCertificate) renew(ctx context.Context, serving *corev1.Secret, authority *pki.Authority, bundle []byte, now time.Time) error {
	pair := pki.Pair{Certificate: serving.Data[corev1.TLSCertKey], Key: serving.Data[corev1.TLSPrivateKeyKey]}
	if authority.Serves(pair, c.Names, now) {
		return nil
	}
	pair, err := authority.Issue(c.Names, now)
	if err != nil {
		return fmt.Errorf("issue certificate of ingest: %w", err)
	}
	serving.Data = map[string][]byte{
		corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.Key, ingestBundleKey: bundle,
	}
	if err := c.store(ctx, serving); err != nil {
		return err
	}
	log.FromContext(ctx).Info("Issued certificate of ingest", "secret", c.Namespace+"/"+ingestSecret, "names", c.Names)
	return nil
}

// owned reads a Secret from the API server, or starts one that is to be made. It returns nil for one that
// somebody else made.
func (c *IngestCertificate) owned(ctx context.Context, name string, of corev1.SecretType) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := c.Live.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, secret)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get secret %s/%s: %w", c.Namespace, name, err)
	}
	if err != nil {
		return &corev1.Secret{ObjectMeta: c.objectMeta(name), Type: of}, nil
	}
	if secret.Labels[hookv1.LabelManagedBy] != hookv1.ManagedBy {
		return nil, nil
	}
	return secret, nil
}

// publish writes the bundle unless it is there.
func (c *IngestCertificate) publish(ctx context.Context, bundle []byte) error {
	found, err := c.getConfigMap(ctx, c.Namespace, ingestBundle)
	if err != nil {
		return err
	}
	if found == nil {
		configMap := &corev1.ConfigMap{ObjectMeta: c.objectMeta(ingestBundle), Data: map[string]string{ingestBundleKey: string(bundle)}}
		if err := c.Client.Create(ctx, configMap, client.FieldOwner(hookv1.FieldManagerOperator)); err != nil {
			return fmt.Errorf("create config map %s/%s: %w", c.Namespace, ingestBundle, err)
		}
		return nil
	}
	wanted := found.DeepCopy()
	wanted.Data = maps.Clone(found.Data)
	if wanted.Data == nil {
		wanted.Data = map[string]string{}
	}
	wanted.Data[ingestBundleKey] = string(bundle)
	if equality.Semantic.DeepEqual(found, wanted) {
		return nil
	}
	if err := c.Client.Update(ctx, wanted, client.FieldOwner(hookv1.FieldManagerOperator)); err != nil {
		return fmt.Errorf("update config map %s/%s: %w", c.Namespace, ingestBundle, err)
	}
	return nil
}

// objectMeta is that of an object that Posthorn makes in its own namespace.
func (c *IngestCertificate) objectMeta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: c.Namespace, Name: name, Labels: map[string]string{hookv1.LabelManagedBy: hookv1.ManagedBy},
	}
}
