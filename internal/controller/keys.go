// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/signing"
)

// annotationHandledRotate on a signing Secret is the value of posthorn.dev/rotate that was acted on.
// It is written in one update with the key that it caused: a status that is written afterwards may
// get lost, and the same value would rotate twice.
const annotationHandledRotate = "posthorn.dev/handled-rotate"

// keyChange is what happened to a signing Secret.
type keyChange string

const (
	keyUnchanged keyChange = ""
	// keyCreated means that there was no Secret.
	keyCreated keyChange = "created"
	// keyRotated means that a new key is current, by schedule or on demand.
	keyRotated keyChange = "rotated"
	// keyReplaced means that somebody edited the current key by hand.
	keyReplaced keyChange = "replaced"
	// keyReformed means that the scheme needs another form of key, and got one.
	keyReformed keyChange = "reformed"
	// keyExpired means that the overlap ended and the previous key is gone.
	keyExpired keyChange = "expired"
)

// keyPlan decides what a signing Secret should hold next. It changes one thing at a time; the update
// of the Secret brings the next reconcile.
type keyPlan struct {
	scheme signing.Scheme
	// interval between rotations; 0 means never.
	interval time.Duration
	// overlap is how long the previous key goes on signing; 0 means not at all.
	overlap time.Duration
	// rotate is the value of the annotation on the endpoint, and handled the last one acted on as the
	// status has it.
	rotate, handled string
	// inUse means that the last key of the endpoint came out of this Secret.
	inUse bool
	// known are the keys that the dispatcher signs with, the current one first: what a hand edit or a
	// deletion took out of the Secret is still there.
	known  []string
	now    time.Time
	random io.Reader
}

// keyRing is what a well-formed signing Secret holds.
type keyRing struct {
	current signing.Key
	// encoded are the keys that sign, as the Secret has them: the current one first.
	encoded []string
	// rotatedAt is when the current key came into use; previousExpires is zero outside an overlap.
	rotatedAt, previousExpires time.Time
}

// create fills a new Secret. A key that was in use until the Secret was deleted goes on signing for
// the overlap: a deletion, like a rotation, must not break receivers at once.
func (p *keyPlan) create(secret *corev1.Secret) error {
	if err := p.generate(secret); err != nil {
		return err
	}
	if len(p.known) > 0 {
		if _, err := signing.ParseKey(p.scheme, []byte(p.known[0])); err == nil {
			p.keepPrevious(secret, []byte(p.known[0]))
		}
	}
	p.handle(secret)
	return nil
}

// advance brings an existing Secret to what it should hold now, and says what changed. The error is a
// verdict when the Secret cannot be used as it is.
func (p *keyPlan) advance(secret *corev1.Secret) (keyChange, error) {
	current, err := p.parse(secret, hookv1.SecretKeyCurrent)
	if err != nil {
		if p.reformed(secret) {
			return keyReformed, p.generate(secret)
		}
		return keyUnchanged, err
	}
	if _, ok := secret.Data[hookv1.SecretKeyPrevious]; ok {
		if _, err := p.parse(secret, hookv1.SecretKeyPrevious); err != nil {
			return keyUnchanged, err
		}
	}
	id, recorded := current.ID(), secret.Annotations[hookv1.AnnotationKeyID]
	switch {
	case recorded != "" && id != recorded:
		p.replace(secret, recorded)
		p.describe(secret, current)
		return keyReplaced, nil
	case recorded == "":
		p.describe(secret, current)
	case p.due(secret):
		previous := secret.Data[hookv1.SecretKeyCurrent]
		if err := p.generate(secret); err != nil {
			return keyUnchanged, err
		}
		p.keepPrevious(secret, previous)
		p.handle(secret)
		return keyRotated, nil
	case p.expired(secret):
		p.dropPrevious(secret)
		return keyExpired, nil
	}
	p.tidy(secret, current)
	return keyUnchanged, nil
}

// parse reads one key of the Secret.
func (p *keyPlan) parse(secret *corev1.Secret, name string) (signing.Key, error) {
	raw, ok := secret.Data[name]
	if !ok {
		return signing.Key{}, waitingf(hookv1.ReasonKeyMissing,
			"Secret %s has no key %s: put a signing key there, or delete the Secret to get a new one", secret.Name, name)
	}
	key, err := signing.ParseKey(p.scheme, raw)
	if err != nil {
		return signing.Key{}, waitingf(hookv1.ReasonKeyMalformed,
			"Key %s of Secret %s cannot be used with the scheme %s (%v): correct it, or delete the Secret to get a new one",
			name, secret.Name, p.scheme, err)
	}
	return key, nil
}

// reformed reports whether the Secret holds a key that was made for a scheme with another form.
func (p *keyPlan) reformed(secret *corev1.Secret) bool {
	form := signing.Scheme(secret.Annotations[hookv1.AnnotationScheme]).KeyForm()
	return form != "" && form != p.scheme.KeyForm()
}

// generate puts a new current key into the Secret, and takes everything about the one before out.
func (p *keyPlan) generate(secret *corev1.Secret) error {
	encoded, err := signing.GenerateKey(p.scheme, p.random)
	if err != nil {
		return err
	}
	key, err := signing.ParseKey(p.scheme, encoded)
	if err != nil {
		return err
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[hookv1.SecretKeyCurrent] = encoded
	p.dropPrevious(secret)
	p.describe(secret, key)
	return nil
}

// describe writes what the annotations tell about a current key that is new from now on.
func (p *keyPlan) describe(secret *corev1.Secret, current signing.Key) {
	annotate(secret, hookv1.AnnotationKeyID, current.ID())
	annotate(secret, hookv1.AnnotationRotatedAt, p.now.UTC().Format(time.RFC3339))
	p.tidy(secret, current)
}

// tidy restores what follows from the keys themselves.
func (p *keyPlan) tidy(secret *corev1.Secret, current signing.Key) {
	annotate(secret, hookv1.AnnotationScheme, string(p.scheme))
	if _, ok := annotatedTime(secret, hookv1.AnnotationRotatedAt); !ok {
		annotate(secret, hookv1.AnnotationRotatedAt, p.now.UTC().Format(time.RFC3339))
	}
	annotate(secret, annotationHandledRotate, p.lastHandled(secret))
	if public := current.PublicKey(); public != "" {
		secret.Data[hookv1.SecretKeyPublicKey] = []byte(public)
	} else {
		delete(secret.Data, hookv1.SecretKeyPublicKey)
	}
	_, overlaps := secret.Data[hookv1.SecretKeyPrevious]
	_, expires := annotatedTime(secret, hookv1.AnnotationPreviousKeyExpiresAt)
	switch {
	case overlaps && !expires:
		p.keepPrevious(secret, secret.Data[hookv1.SecretKeyPrevious])
	case !overlaps:
		delete(secret.Annotations, hookv1.AnnotationPreviousKeyExpiresAt)
	}
}

// replace makes the key that the hand edit overwrote the previous one, where it is still known. One
// that nobody knows any more leaves an earlier overlap as it was.
func (p *keyPlan) replace(secret *corev1.Secret, recorded string) {
	for _, encoded := range p.known {
		key, err := signing.ParseKey(p.scheme, []byte(encoded))
		if err == nil && key.ID() == recorded {
			p.keepPrevious(secret, []byte(encoded))
			return
		}
	}
}

// keepPrevious lets a key sign for the overlap.
func (p *keyPlan) keepPrevious(secret *corev1.Secret, encoded []byte) {
	if p.overlap == 0 {
		p.dropPrevious(secret)
		return
	}
	secret.Data[hookv1.SecretKeyPrevious] = encoded
	annotate(secret, hookv1.AnnotationPreviousKeyExpiresAt, p.now.Add(p.overlap).UTC().Format(time.RFC3339))
}

func (p *keyPlan) dropPrevious(secret *corev1.Secret) {
	delete(secret.Data, hookv1.SecretKeyPrevious)
	delete(secret.Annotations, hookv1.AnnotationPreviousKeyExpiresAt)
}

// due reports whether the key is to be rotated now: on demand, for each new value of the annotation
// once, or by its age.
func (p *keyPlan) due(secret *corev1.Secret) bool {
	if p.rotate != "" && p.rotate != p.lastHandled(secret) {
		return true
	}
	since, ok := annotatedTime(secret, hookv1.AnnotationRotatedAt)
	return ok && p.interval > 0 && !p.now.Before(since.Add(p.interval))
}

// lastHandled returns the value of the annotation that was acted on last: the Secret's record, which is
// written with the key, or the status's where the Secret has none. What came while the endpoint had no
// key of Posthorn's is in the status alone, and counts until the Secret has taken it over. A status may
// lag behind, so that it never makes a value new that the Secret knows.
func (p *keyPlan) lastHandled(secret *corev1.Secret) string {
	recorded, ok := secret.Annotations[annotationHandledRotate]
	meanwhile := !p.inUse && p.handled != "" && (p.rotate == "" || p.rotate == p.handled)
	if !ok || meanwhile {
		return p.handled
	}
	return recorded
}

// handle records that a new key came of the annotation as it is. One that was taken away is no new value: what was
// acted on before stays recorded.
func (p *keyPlan) handle(secret *corev1.Secret) {
	annotate(secret, annotationHandledRotate, cmp.Or(p.rotate, p.lastHandled(secret)))
}

// expired reports whether the overlap is over.
func (p *keyPlan) expired(secret *corev1.Secret) bool {
	_, overlaps := secret.Data[hookv1.SecretKeyPrevious]
	end, ok := annotatedTime(secret, hookv1.AnnotationPreviousKeyExpiresAt)
	return overlaps && ok && !p.now.Before(end)
}

// ring reads what a Secret holds that advance or create has left well formed.
func (p *keyPlan) ring(secret *corev1.Secret) (*keyRing, error) {
	current, err := p.parse(secret, hookv1.SecretKeyCurrent)
	if err != nil {
		return nil, err
	}
	ring := &keyRing{current: current, encoded: []string{string(cutNewline(secret.Data[hookv1.SecretKeyCurrent]))}}
	ring.rotatedAt, _ = annotatedTime(secret, hookv1.AnnotationRotatedAt)
	if previous, ok := secret.Data[hookv1.SecretKeyPrevious]; ok {
		ring.encoded = append(ring.encoded, string(cutNewline(previous)))
		ring.previousExpires, _ = annotatedTime(secret, hookv1.AnnotationPreviousKeyExpiresAt)
	}
	return ring, nil
}

func annotate(secret *corev1.Secret, name, value string) {
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	secret.Annotations[name] = value
}

func annotatedTime(secret *corev1.Secret, name string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, secret.Annotations[name])
	return t, err == nil
}
