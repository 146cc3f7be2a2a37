// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/signing"
)

// annotationEndpointUID on a signing Secret is the UID of the endpoint that it serves. Another one
// tells an endpoint that was created again and adopts the Secret.
const annotationEndpointUID = "posthorn.dev/endpoint-uid"

// defaultOverlap is how long a previous key goes on signing where the spec does not say.
const defaultOverlap = 24 * time.Hour

// reconcileSigningKey owns SigningKeyReady: the Secret that the operator creates and rotates, or the
// user's own.
func (r *WebhookEndpointReconciler) reconcileSigningKey(ctx context.Context, run *endpointRun) error {
	scheme := compile.SigningScheme(&run.obj.Spec)
	spec := run.obj.Spec.Signing
	own := spec != nil && spec.SecretRef != nil
	if rotate := run.obj.Annotations[hookv1.AnnotationRotate]; rotate != "" && (own || scheme == signing.None) {
		// Where there is no key of Posthorn's, there is nothing to do about it, now or later.
		run.handledRotate = rotate
	}
	var err error
	switch {
	case scheme == signing.None:
		return nil
	case own:
		err = r.useKey(ctx, run, scheme, *spec.SecretRef)
	default:
		err = r.provisionKey(ctx, run, scheme)
	}
	return run.judge(hookv1.ConditionSigningKeyReady, err)
}

// useKey takes the key of a user's Secret.
func (r *WebhookEndpointReconciler) useKey(ctx context.Context, run *endpointRun, scheme signing.Scheme, ref hookv1.SecretKeySelector) error {
	secret, err := r.userSecret(ctx, run.obj.Namespace, string(ref.Name))
	if err != nil {
		return err
	}
	raw, ok := secret.Data[string(ref.Key)]
	if !ok {
		return missingKey("Secret", secret.Name, string(ref.Key))
	}
	key, err := signing.ParseKey(scheme, raw)
	if err != nil || !utf8.Valid(raw) {
		if err == nil {
			err = fmt.Errorf("%w: it is not text", signing.ErrMalformedKey)
		}
		return waitingf(hookv1.ReasonKeyMalformed, "Key %s of Secret %s cannot be used with the scheme %s (%v): correct it",
			ref.Key, ref.Name, scheme, err)
	}
	run.credentials.SigningKeys = []string{string(cutNewline(raw))}
	run.signing = &hookv1.SigningStatus{SecretName: secret.Name, KeyID: key.ID(), PublicKey: key.PublicKey()}
	run.met(hookv1.ConditionSigningKeyReady, hookv1.ReasonUserProvided,
		fmt.Sprintf("Requests are signed with key %s of Secret %s", ref.Key, secret.Name))
	return nil
}

// provisionKey brings the Secret that the operator owns to what it should hold, and takes its keys.
func (r *WebhookEndpointReconciler) provisionKey(ctx context.Context, run *endpointRun, scheme signing.Scheme) error {
	name := run.obj.Name + hookv1.SigningSecretSuffix
	found, err := r.getSecret(ctx, run.obj.Namespace, name)
	if err != nil {
		return err
	}
	if found != nil && !ownsSecret(run.obj, found) {
		return unwatchedf(hookv1.ReasonSecretNotOwned,
			"Secret %s exists and is not Posthorn's: rename or delete it, or name it in signing.secretRef", name)
	}
	run.signing = &hookv1.SigningStatus{SecretName: name}
	plan := r.planKeys(run, scheme)
	secret, change := signingSecret(run.obj, found), keyCreated
	if found == nil {
		err = plan.create(secret)
	} else {
		change, err = plan.advance(secret)
	}
	if err != nil {
		return err
	}
	if found == nil || !equality.Semantic.DeepEqual(found, secret) {
		if err := r.store(ctx, secret); err != nil {
			return err
		}
	}
	run.handledRotate = secret.Annotations[annotationHandledRotate]
	r.tellKeyChange(run, secret.Name, change, found)
	return r.useRing(run, plan, secret)
}

// planKeys gathers what decides on the next content of the Secret.
func (r *WebhookEndpointReconciler) planKeys(run *endpointRun, scheme signing.Scheme) *keyPlan {
	plan := &keyPlan{
		scheme:  scheme,
		overlap: defaultOverlap,
		rotate:  run.obj.Annotations[hookv1.AnnotationRotate],
		handled: run.obj.Status.LastHandledRotate,
		inUse:   usedOwned(run.obj),
		now:     r.Now(),
		random:  r.Random,
	}
	if s := run.obj.Spec.Signing; s != nil && s.Rotation != nil {
		// The schema admits no duration that does not parse.
		plan.interval, _ = s.Rotation.Interval.Parse()
		if s.Rotation.Overlap != "" {
			plan.overlap, _ = s.Rotation.Overlap.Parse()
		} else if plan.interval > 0 {
			plan.overlap = min(defaultOverlap, plan.interval/2)
		}
	}
	// What the dispatcher signs with is the operator's memory, of this object only, and only of keys
	// that came out of this Secret: a user's own key is never copied into another Secret.
	if run.stored != nil && run.stored.Endpoint.UID == string(run.obj.UID) && plan.inUse {
		plan.known = run.stored.SigningKeys
	}
	return plan
}

// useRing takes the keys of the Secret, and sees to it that the next change comes in time.
func (r *WebhookEndpointReconciler) useRing(run *endpointRun, plan *keyPlan, secret *corev1.Secret) error {
	ring, err := plan.ring(secret)
	if err != nil {
		return err
	}
	run.credentials.SigningKeys = ring.encoded
	run.signing = &hookv1.SigningStatus{
		SecretName: secret.Name, KeyID: secret.Annotations[hookv1.AnnotationKeyID], PublicKey: ring.current.PublicKey(),
	}
	if plan.interval > 0 {
		next := ring.rotatedAt.Add(plan.interval)
		run.signing.NextRotationTime = timeOf(next)
		run.wakeIn(next.Sub(plan.now))
	}
	reason, message := hookv1.ReasonProvisioned, fmt.Sprintf("Requests are signed with the key of Secret %s", secret.Name)
	if end := ring.previousExpires; !end.IsZero() {
		run.signing.PreviousKeyExpiresAt = timeOf(end)
		run.wakeIn(end.Sub(plan.now))
		reason = hookv1.ReasonRotationOverlap
		message += ", and with the one before it until " + end.UTC().Format(time.RFC3339)
	}
	run.met(hookv1.ConditionSigningKeyReady, reason, message)
	return nil
}

// tellKeyChange counts and tells what was done to the Secret.
func (r *WebhookEndpointReconciler) tellKeyChange(run *endpointRun, name string, change keyChange, found *corev1.Secret) {
	if change != keyUnchanged {
		keyChanges.WithLabelValues(string(change)).Inc()
	}
	normal := func(reason, action, format string, args ...any) {
		run.tell(corev1.EventTypeNormal, reason, action, fmt.Sprintf(format, args...))
	}
	if found != nil && adopts(run.obj, found) {
		normal(hookv1.EventSecretAdopted, actionProvision, "Adopted Secret %s with the key that it holds", name)
	}
	switch change {
	case keyCreated:
		normal(hookv1.EventSecretCreated, actionProvision, "Created Secret %s with a new signing key", name)
	case keyRotated, keyReformed:
		normal(hookv1.EventKeyRotated, actionRotate, "Secret %s has a new signing key", name)
	case keyReplaced:
		normal(hookv1.EventKeyReplaced, actionRotate, "The key that was edited into Secret %s is the current one now", name)
	case keyExpired:
		normal(hookv1.EventPreviousKeyExpired, actionRotate, "The previous key of Secret %s signs no more", name)
	}
}

// ownsSecret reports whether the operator created the Secret for an endpoint of this name. The
// annotation says so. Where an edit lost it, the Secret is still Posthorn's if it is the one that the
// endpoint used as such, and not one that a user made in its place.
func ownsSecret(obj *hookv1.WebhookEndpoint, secret *corev1.Secret) bool {
	if secret.Type != hookv1.SecretTypeSigningKey {
		return false
	}
	if marked, ok := secret.Annotations[hookv1.AnnotationEndpoint]; ok {
		return marked == obj.Name
	}
	return usedOwned(obj) && createdByOperator(secret)
}

// usedOwned reports whether the last key of the endpoint came out of the Secret that the operator owns
// for it. A Secret of that name may also be the user's, named in signing.secretRef.
func usedOwned(obj *hookv1.WebhookEndpoint) bool {
	last := obj.Status.Signing
	if last == nil || last.SecretName != obj.Name+hookv1.SigningSecretSuffix {
		return false
	}
	ready := meta.FindStatusCondition(obj.Status.Conditions, hookv1.ConditionSigningKeyReady)
	return ready != nil && ready.Reason != hookv1.ReasonUserProvided
}

// createdByOperator reports whether the API server has it that the operator set the Secret's type,
// which only a creation can.
func createdByOperator(secret *corev1.Secret) bool {
	return slices.ContainsFunc(secret.ManagedFields, func(entry metav1.ManagedFieldsEntry) bool {
		var fields map[string]json.RawMessage
		if entry.Manager != hookv1.FieldManagerOperator || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			return false
		}
		_, ok := fields["f:type"]
		return ok
	})
}

// adopts reports whether the Secret served an earlier endpoint of the name until now.
func adopts(obj *hookv1.WebhookEndpoint, secret *corev1.Secret) bool {
	uid := secret.Annotations[annotationEndpointUID]
	return uid != "" && uid != string(obj.UID)
}

// signingSecret returns the Secret with the operator's marks: a copy of the one that was found, or a
// new one. Labels and annotations of the endpoint are not copied to it, and those that others put on
// it stay.
func signingSecret(obj *hookv1.WebhookEndpoint, found *corev1.Secret) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: obj.Namespace, Name: obj.Name + hookv1.SigningSecretSuffix},
		Type:       hookv1.SecretTypeSigningKey,
	}
	if found != nil {
		secret = found.DeepCopy()
	}
	if secret.Labels == nil {
		secret.Labels = map[string]string{}
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Labels[hookv1.LabelUse] = hookv1.LabelUseValue
	secret.Labels[hookv1.LabelManagedBy] = hookv1.ManagedBy
	annotate(secret, hookv1.AnnotationEndpoint, obj.Name)
	annotate(secret, annotationEndpointUID, string(obj.UID))
	secret.OwnerReferences = ownersOf(obj, secret.OwnerReferences)
	return secret
}

// ownersOf returns the owners that the Secret should have: the endpoint with deletionPolicy Delete,
// and never an earlier one of its kind.
func ownersOf(obj *hookv1.WebhookEndpoint, owners []metav1.OwnerReference) []metav1.OwnerReference {
	want := metav1.OwnerReference{
		APIVersion: hookv1.GroupVersion.String(), Kind: hookv1.KindWebhookEndpoint, Name: obj.Name, UID: obj.UID,
	}
	owned := obj.Spec.Signing != nil && obj.Spec.Signing.DeletionPolicy == hookv1.DeletionPolicyDelete
	out := slices.DeleteFunc(slices.Clone(owners), func(o metav1.OwnerReference) bool {
		return o.Kind == want.Kind && o.APIVersion == want.APIVersion && (!owned || o.UID != want.UID)
	})
	if owned && !slices.ContainsFunc(out, func(o metav1.OwnerReference) bool { return o.UID == want.UID }) {
		out = append(out, want)
	}
	return out
}

// timeOf returns t in whole seconds, as the API keeps it.
func timeOf(t time.Time) *metav1.Time {
	whole := metav1.NewTime(t.Truncate(time.Second).UTC())
	return &whole
}
