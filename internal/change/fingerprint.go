// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"slices"
	"sync"
)

// Fingerprint stands for the content of a sanitized object. It is the same in every process and every version
// of Posthorn, so that it can be stored.
type Fingerprint [16]byte

// FingerprintOf returns the fingerprint of a sanitized object. Two objects have the same one if and only if (up
// to a chance of 2^-128) their content is equal: the order of keys does not matter, a number equals a number of
// the same value (1 and 1.0), and nothing equals a value of another type (1 and "1", null and absent).
//
// metadata.resourceVersion and metadata.generation are left out. Both only say that something has changed; if
// that is not to be seen, they are not a change of their own.
func FingerprintOf(object map[string]any) Fingerprint {
	w, _ := canonicalWriters.Get().(*canonicalWriter)
	defer canonicalWriters.Put(w)
	w.object(object)
	return w.sum()
}

// unseen are the keys of metadata that a fingerprint leaves out.
var unseen = []string{"generation", "resourceVersion"}

var canonicalWriters = sync.Pool{New: func() any {
	return &canonicalWriter{hash: sha256.New(), buffer: make([]byte, 0, canonicalBuffer)}
}}

// canonicalBuffer is how much is hashed at once.
const canonicalBuffer = 16 << 10

// canonicalWriter hashes JSON values in a form that only depends on their content. What it writes is part of what
// is stored: a change of it makes every object of every cluster look changed once.
//
// A value is a letter and what belongs to it: n null, t true, f false, i a whole number and d another one (64 bits
// each), s a string, [ a list, { a map with its keys in order; the last three with their length before them.
type canonicalWriter struct {
	hash   hash.Hash
	buffer []byte
	// keys is a stack of the keys of the maps that are being written.
	keys []string
}

func (w *canonicalWriter) object(object map[string]any) {
	w.members(object, nil, func(key string, value any) {
		if metadata, ok := value.(map[string]any); ok && key == "metadata" {
			w.members(metadata, unseen, func(_ string, value any) { w.value(value) })
			return
		}
		w.value(value)
	})
}

func (w *canonicalWriter) members(m map[string]any, without []string, write func(key string, value any)) {
	first := len(w.keys)
	for key := range m {
		if !slices.Contains(without, key) {
			w.keys = append(w.keys, key)
		}
	}
	last := len(w.keys)
	slices.Sort(w.keys[first:last])
	w.length('{', last-first)
	for i := first; i < last; i++ {
		key := w.keys[i]
		w.string(key)
		write(key, m[key])
	}
	w.keys = w.keys[:first]
}

func (w *canonicalWriter) value(v any) {
	switch v := v.(type) {
	case nil:
		w.buffer = append(w.buffer, 'n')
	case bool:
		if v {
			w.buffer = append(w.buffer, 't')
		} else {
			w.buffer = append(w.buffer, 'f')
		}
	case string:
		w.string(v)
	case map[string]any:
		w.members(v, nil, func(_ string, value any) { w.value(value) })
	case []any:
		w.length('[', len(v))
		for _, element := range v {
			w.value(element)
		}
	default:
		w.number(v)
	}
	w.flush()
}

// number writes what is left: a number, or a type that objects do not hold, which is told apart by its look.
func (w *canonicalWriter) number(v any) {
	n, ok := numberOf(v)
	switch {
	case !ok:
		w.string(fmt.Sprintf("%T %v", v, v))
	case n.whole:
		w.buffer = binary.BigEndian.AppendUint64(append(w.buffer, 'i'), uint64(n.i)) //nolint:gosec // the bits are what counts
	default:
		w.buffer = binary.BigEndian.AppendUint64(append(w.buffer, 'd'), math.Float64bits(n.f))
	}
}

func (w *canonicalWriter) string(s string) {
	w.length('s', len(s))
	for len(s) > canonicalBuffer {
		w.buffer = append(w.buffer, s[:canonicalBuffer]...)
		s = s[canonicalBuffer:]
		w.flush()
	}
	w.buffer = append(w.buffer, s...)
}

func (w *canonicalWriter) length(letter byte, n int) {
	w.buffer = binary.AppendUvarint(append(w.buffer, letter), uint64(n)) //nolint:gosec // a length is not negative
}

// flush hashes what has gathered, once it is worth it.
func (w *canonicalWriter) flush() {
	if len(w.buffer) >= canonicalBuffer/2 {
		w.hash.Write(w.buffer)
		w.buffer = w.buffer[:0]
	}
}

// sum returns the first half of the SHA-256, and leaves the writer as new. It forgets the keys, or a pooled
// writer would keep an object alive.
func (w *canonicalWriter) sum() Fingerprint {
	w.hash.Write(w.buffer)
	var sum [sha256.Size]byte
	f := Fingerprint(w.hash.Sum(sum[:0])[:16])
	w.hash.Reset()
	w.buffer = w.buffer[:0]
	clear(w.keys[:cap(w.keys)])
	return f
}
