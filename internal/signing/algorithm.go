// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"sync"
)

// buffer is the scratch space of one Sign.
type buffer struct {
	head, signature []byte
}

// buffers reuses scratch space; a signature with its content's head is about 200 bytes.
var buffers = sync.Pool{New: func() any {
	return &buffer{head: make([]byte, 0, 256), signature: make([]byte, 0, 256)}
}}

// newKeySigner returns what signs with one key under the scheme.
func newKeySigner(scheme Scheme, prefix string, k Key) keySigner {
	if k.material.private != nil {
		return &ed25519Signer{prefix: prefix, key: k}
	}
	s := &hmacSigner{prefix: prefix, inHex: scheme != StandardWebhooks}
	secret := k.material.secret
	s.states.New = func() any {
		return &hmacState{mac: hmac.New(sha256.New, secret), sum: make([]byte, 0, sha256.Size)}
	}
	return s
}

// hmacSigner signs with HMAC-SHA256. It keeps keyed hash states: setting one up hashes the padded
// key twice, which a reset does not.
type hmacSigner struct {
	prefix string
	inHex  bool
	states sync.Pool
}

// hmacState is one keyed hash, with room for its sum.
type hmacState struct {
	mac hash.Hash
	sum []byte
}

func (s *hmacSigner) appendSignature(dst, head, body []byte) []byte {
	state := s.states.Get().(*hmacState)
	state.mac.Reset()
	// Writing to a hash never fails.
	_, _ = state.mac.Write(head)
	_, _ = state.mac.Write(body)
	state.sum = state.mac.Sum(state.sum[:0])
	dst = append(dst, s.prefix...)
	if s.inHex {
		dst = hex.AppendEncode(dst, state.sum)
	} else {
		dst = base64.StdEncoding.AppendEncode(dst, state.sum)
	}
	s.states.Put(state)
	return dst
}

// ed25519Signer signs with Ed25519, which hashes the message twice and so needs it in one piece.
type ed25519Signer struct {
	prefix string
	key    Key
}

func (s *ed25519Signer) appendSignature(dst, head, body []byte) []byte {
	message := make([]byte, 0, len(head)+len(body))
	message = append(append(message, head...), body...)
	dst = append(dst, s.prefix...)
	return base64.StdEncoding.AppendEncode(dst, ed25519.Sign(s.key.material.private, message))
}
