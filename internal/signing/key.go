// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
)

const (
	symmetricPrefix = "whsec_"
	privatePrefix   = "whsk_"
	publicPrefix    = "whpk_"

	// minSymmetric and maxSymmetric bound the decoded bytes of a whsec_ key: the Standard Webhooks
	// specification asks for 24 to 64.
	minSymmetric = 24
	maxSymmetric = 64
	// maxRaw bounds a key that is used as the text it is, in bytes.
	maxRaw = 1024
	// generatedBytes is the size of a generated key, the output size of SHA-256 and the seed size
	// of Ed25519.
	generatedBytes = 32

	// fingerprintBytes is how much of the digest an ID shows: 2^48 values tell the few keys of one
	// endpoint apart.
	fingerprintBytes = 6
	// fingerprintRounds stretches the fingerprint. People choose raw keys, and an ID stands in a
	// status that more may read than the Secret; at about 1 ms a guess a fingerprint is no quicker
	// to try passwords on than a signature is.
	fingerprintRounds = 4096
)

// Key is one signing key. The zero Key is no key. It is immutable, and safe for concurrent use.
type Key struct {
	// material is behind a pointer so that a struct that holds a Key, printed with %+v, shows an
	// address: fmt does not call the methods of unexported fields.
	material *material
}

// material is what a Key holds: secret for the symmetric schemes, private for Ed25519.
type material struct {
	secret  []byte
	private ed25519.PrivateKey
}

// ParseKey reads a key in the form that the scheme needs, and cuts one trailing newline first.
//
// StandardWebhooks takes whsec_ and the base64 of 24 to 64 bytes. StandardWebhooksEd25519 takes whsk_
// and the base64 of the 64-byte private key, or of its 32-byte seed. HMACHex and GitHub take any
// text of at most 1,024 bytes as the raw key, except that a key with the prefix whsec_ is decoded as
// for StandardWebhooks, so that a generated key serves all symmetric schemes. Errors wrap
// ErrMalformedKey, say what is expected, and never quote the key.
func ParseKey(scheme Scheme, raw []byte) (Key, error) {
	raw = cutNewline(raw)
	if len(raw) == 0 {
		return Key{}, malformed("it is empty")
	}
	switch scheme.KeyForm() {
	case formEd25519:
		return parsePrivate(raw)
	case formSymmetric:
		return parseSymmetric(scheme, raw)
	default:
		return Key{}, fmt.Errorf("parse signing key: the scheme %q has no keys", string(scheme))
	}
}

// parseSymmetric reads a key of the schemes that use HMAC.
func parseSymmetric(scheme Scheme, raw []byte) (Key, error) {
	if bytes.HasPrefix(raw, []byte(privatePrefix)) || bytes.HasPrefix(raw, []byte(publicPrefix)) {
		return Key{}, malformed("it is an Ed25519 key, and the scheme %s takes a symmetric one", scheme)
	}
	encoded, prefixed := bytes.CutPrefix(raw, []byte(symmetricPrefix))
	if !prefixed {
		if scheme == StandardWebhooks {
			return Key{}, malformed("it must be %s followed by base64", symmetricPrefix)
		}
		if len(raw) > maxRaw {
			return Key{}, malformed("it has %d bytes, and at most %d are taken", len(raw), maxRaw)
		}
		return Key{&material{secret: bytes.Clone(raw)}}, nil
	}
	secret, ok := decode(encoded)
	if !ok {
		return Key{}, malformed("what follows %s is not base64 with padding", symmetricPrefix)
	}
	if len(secret) < minSymmetric || len(secret) > maxSymmetric {
		return Key{}, malformed("it decodes to %d bytes, and %d to %d are required",
			len(secret), minSymmetric, maxSymmetric)
	}
	return Key{&material{secret: secret}}, nil
}

// parsePrivate reads an Ed25519 private key.
func parsePrivate(raw []byte) (Key, error) {
	encoded, ok := bytes.CutPrefix(raw, []byte(privatePrefix))
	if !ok {
		if bytes.HasPrefix(raw, []byte(publicPrefix)) {
			return Key{}, malformed("it is a public key, and signing takes the private one (%s)", privatePrefix)
		}
		return Key{}, malformed("it must be %s followed by base64", privatePrefix)
	}
	private, ok := decode(encoded)
	if !ok {
		return Key{}, malformed("what follows %s is not base64 with padding", privatePrefix)
	}
	switch len(private) {
	case ed25519.SeedSize:
		return Key{&material{private: ed25519.NewKeyFromSeed(private)}}, nil
	case ed25519.PrivateKeySize:
		derived := ed25519.NewKeyFromSeed(private[:ed25519.SeedSize])
		// A signature made with a public half that is not the seed's gives the private key away.
		if !bytes.Equal(derived, private) {
			return Key{}, malformed("its public half does not belong to its private half")
		}
		return Key{&material{private: derived}}, nil
	default:
		return Key{}, malformed("it decodes to %d bytes, and %d are required",
			len(private), ed25519.PrivateKeySize)
	}
}

// GenerateKey makes a key for the scheme from 32 bytes of random, and returns it encoded: whsec_… for
// the symmetric schemes and whsk_… for Ed25519, without a newline.
func GenerateKey(scheme Scheme, random io.Reader) ([]byte, error) {
	form := scheme.KeyForm()
	if form == "" {
		return nil, fmt.Errorf("generate signing key: the scheme %q has no keys", string(scheme))
	}
	secret := make([]byte, generatedBytes)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, fmt.Errorf("read random bytes for a signing key: %w", err)
	}
	if form == formEd25519 {
		return encode(privatePrefix, ed25519.NewKeyFromSeed(secret)), nil
	}
	return encode(symmetricPrefix, secret), nil
}

// IsZero reports whether k is no key.
func (k Key) IsZero() bool { return k.material == nil }

// Equal reports whether both are the same key.
func (k Key) Equal(other Key) bool {
	if k.IsZero() || other.IsZero() {
		return k.IsZero() && other.IsZero()
	}
	return bytes.Equal(k.material.secret, other.material.secret) &&
		bytes.Equal(k.material.private, other.material.private)
}

// form returns the KeyForm that k fits, and the empty string for the zero Key.
func (k Key) form() string {
	switch {
	case k.IsZero():
		return ""
	case k.material.private != nil:
		return formEd25519
	default:
		return formSymmetric
	}
}

// ID returns a short fingerprint of the key, 12 hexadecimal digits, which tells keys apart and does
// not give them away. It takes about a millisecond; the zero Key has none.
func (k Key) ID() string {
	if k.IsZero() {
		return ""
	}
	source, salt := k.material.secret, "posthorn signing key"
	if k.material.private != nil {
		source, salt = k.public(), "posthorn public key"
	}
	// The parameters are constants, and only bad ones are an error.
	sum, err := pbkdf2.Key(sha256.New, string(source), []byte(salt), fingerprintRounds, sha256.Size)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(sum[:fingerprintBytes])
}

// PublicKey returns the public half of an Ed25519 key as whpk_…, for receivers to verify with, and
// the empty string for a symmetric key.
func (k Key) PublicKey() string {
	if k.form() != formEd25519 {
		return ""
	}
	return string(encode(publicPrefix, k.public()))
}

// public returns the public half of an Ed25519 key.
func (k Key) public() []byte { return k.material.private[ed25519.SeedSize:] }

// cutNewline cuts one trailing newline, which editors and echo add to files that become Secrets.
func cutNewline(raw []byte) []byte {
	if cut, ok := bytes.CutSuffix(raw, []byte("\n")); ok {
		return bytes.TrimSuffix(cut, []byte("\r"))
	}
	return raw
}

// decode decodes base64 with padding. The decoder of the standard library skips newlines, which a
// key must not hold.
func decode(encoded []byte) ([]byte, bool) {
	if bytes.ContainsAny(encoded, "\r\n") {
		return nil, false
	}
	decoded, err := base64.StdEncoding.AppendDecode(nil, encoded)
	return decoded, err == nil
}

// encode encodes a key behind its prefix.
func encode(prefix string, key []byte) []byte {
	return base64.StdEncoding.AppendEncode([]byte(prefix), key)
}
