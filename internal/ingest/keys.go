// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/posthorn-dev/posthorn/internal/problem"
)

// HeaderKey is the header that makes a request safe to repeat: one key is for one request.
const HeaderKey = "Idempotency-Key"

// HeaderReplayed is set to true on the answer to a request whose events were all stored before.
const HeaderReplayed = "Idempotent-Replayed"

// maxKey is the longest Idempotency-Key.
const maxKey = 255

// fingerprint is the SHA-256 of everything in a request that decides which events it carries.
type fingerprint [sha256.Size]byte

// idempotencyKey returns the request's key, or an empty one.
func idempotencyKey(h http.Header) (string, error) {
	values := h[HeaderKey]
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, isNotPrintable) {
		return "", problem.BadRequest.New("An Idempotency-Key is one value of 1 to 255 printable ASCII characters.").
			About(HeaderKey)
	}
	return key, nil
}

func isNotPrintable(r rune) bool { return r < ' ' || r > '~' }

// keyID is the name under which a namespace's key is remembered: one token of hexadecimal digits.
func keyID(namespace, key string) string {
	sum := sha256.Sum256([]byte(namespace + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// idOfKey derives the id of an event that has none of its own from the request's key.
func idOfKey(namespace, key string, index uint32) string {
	b := binary.BigEndian.AppendUint32([]byte("id\x00"+namespace+"\x00"+key+"\x00"), index)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// fingerprint returns the message's fingerprint.
func (m *message) fingerprint() fingerprint {
	h := sha256.New()
	h.Write([]byte{byte(m.mode)})
	hashString(h, m.eventType)
	names := make([]string, 0, 8)
	for name := range m.header {
		if name == "Content-Type" || strings.HasPrefix(name, "Ce-") || strings.HasPrefix(name, "Posthorn-Event-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		hashString(h, name)
		for _, value := range m.header[name] {
			hashString(h, value)
		}
	}
	hashString(h, "")
	h.Write(m.body)
	return fingerprint(h.Sum(nil))
}

// hashString hashes a string with its length, so that two never run into each other.
func hashString(h hash.Hash, s string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(s)))
	h.Write(n[:])
	h.Write([]byte(s))
}

// Stored values of keys: a version and the fingerprint. The answer itself is not stored, since the
// same request leads to the same answer.
const keyVersion = 1

func encodeKey(f fingerprint) []byte { return append([]byte{keyVersion}, f[:]...) }

// decodeKey reads a stored value; false for one of another version, which is as good as none.
func decodeKey(value []byte) (fingerprint, bool) {
	if len(value) != 1+len(fingerprint{}) || value[0] != keyVersion {
		return fingerprint{}, false
	}
	return fingerprint(value[1:]), true
}

// keys knows which keys are being worked on. It is safe for concurrent use.
type keys struct {
	mu      sync.Mutex
	flights map[string]*keyFlight
}

// keyFlight is the request that works on a key.
type keyFlight struct {
	fingerprint fingerprint
	done        chan struct{} // closed when it is over; err is good then
	err         error
}

// begin returns the flight of a key, and whether it is the caller's own to end.
func (k *keys) begin(id string, f fingerprint) (flight *keyFlight, first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if flight, ok := k.flights[id]; ok {
		return flight, false
	}
	flight = &keyFlight{fingerprint: f, done: make(chan struct{})}
	k.flights[id] = flight
	return flight, true
}

// end ends a flight.
func (k *keys) end(id string, flight *keyFlight, err error) {
	k.mu.Lock()
	delete(k.flights, id)
	k.mu.Unlock()
	flight.err = err
	close(flight.done)
}

// once runs store unless the same request was done before under the message's key, which it reports
// as replayed.
func (h *Handler) once(ctx context.Context, m *message, store func() error) (replayed bool, err error) {
	id, f := keyID(m.namespace, m.key), m.fingerprint()
	flight, first := h.keys.begin(id, f)
	if !first {
		return true, h.awaitKey(ctx, flight, f)
	}
	defer func() { h.keys.end(id, flight, err) }()
	value, ok, err := h.getKey(ctx, id)
	if err != nil {
		return false, logProblem(err)
	}
	if before, known := decodeKey(value); ok && known {
		if before != f {
			return false, keyReused()
		}
		return true, nil
	}
	if err := store(); err != nil {
		return false, err
	}
	return false, logProblem(h.putKey(ctx, id, f))
}

func (h *Handler) getKey(ctx context.Context, id string) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, h.options.AppendTimeout)
	defer cancel()
	return h.options.Log.GetKey(ctx, id)
}

// putKey remembers a key. It goes on when the producer leaves, since the events are stored.
func (h *Handler) putKey(ctx context.Context, id string, f fingerprint) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.options.AppendTimeout)
	defer cancel()
	return h.options.Log.PutKey(ctx, id, encodeKey(f))
}

// awaitKey waits for the request that works on the same key and takes over its result.
func (h *Handler) awaitKey(ctx context.Context, flight *keyFlight, f fingerprint) error {
	if flight.fingerprint != f {
		return keyReused()
	}
	timer := time.NewTimer(h.options.KeyWait)
	defer timer.Stop()
	select {
	case <-flight.done:
		return flight.err
	case <-ctx.Done():
		return errGone
	case <-timer.C:
		return kindInProgress.New("A request with this Idempotency-Key is still in progress: " +
			"repeat this one to learn what came of it.").After(time.Second).About(HeaderKey)
	}
}

func keyReused() error {
	return kindKeyReused.New("This Idempotency-Key was used for another request: use a new key for each request, " +
		"and repeat a request unchanged.").About(HeaderKey)
}
