// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strconv"
	"time"
)

// Key is the signing key of all endpoints, in the form that Standard Webhooks gives it.
const Key = "whsec_cG9zdGhvcm4tYmVuY2htYXJrLXNpZ25pbmcta2V5ISE="

// signer makes the signature of Standard Webhooks, as lean as the standard library lets it be. It is for one
// goroutine.
type signer struct {
	mac  hash.Hash
	sum  [sha256.Size]byte
	head []byte
}

func newSigner() *signer {
	return &signer{mac: hmac.New(sha256.New, []byte("posthorn-benchmark-signing-key!!"))}
}

// sign returns the three values of the headers.
func (s *signer) sign(n int, body []byte) (id, timestamp, signature string) {
	id = "msg_" + strconv.Itoa(n)
	timestamp = strconv.FormatInt(time.Now().Unix(), 10)
	s.head = append(append(append(append(s.head[:0], id...), '.'), timestamp...), '.')
	s.mac.Reset()
	s.mac.Write(s.head)
	s.mac.Write(body)
	return id, timestamp, "v1," + base64.StdEncoding.EncodeToString(s.mac.Sum(s.sum[:0]))
}
