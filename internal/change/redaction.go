// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a Redaction.
const (
	// MaxRedactions is the most pointers that a Redaction holds.
	MaxRedactions = 64
	// MaxRedactionBytes is the longest that one of them may be.
	MaxRedactionBytes = 512
	// MaxRedactionDepth is the most segments that one of them may have.
	MaxRedactionDepth = 32
)

// Redaction is a set of places in an object that are taken away before anything else looks at it. The zero
// value names none. It may be used by several goroutines.
type Redaction struct {
	paths [][]string
	key   string
}

// ParseRedaction reads JSON Pointers (RFC 6901) in which a segment * stands for every index of a list and every
// key of an object: /spec/template/spec/containers/*/env. In a key, ~1 stands for / and ~0 for ~. What a pointer
// names need not exist.
//
// An error names the pointer and says what to write instead. What identifies an object (/apiVersion, /kind,
// /metadata/name, /metadata/namespace, /metadata/uid and /metadata/resourceVersion, and whatever contains them)
// cannot be taken away: no event could be made of the rest.
func ParseRedaction(pointers []string) (Redaction, error) {
	if len(pointers) > MaxRedactions {
		return Redaction{}, fmt.Errorf("%d pointers are more than the %d that are allowed; name what contains several of them",
			len(pointers), MaxRedactions)
	}
	paths := make([][]string, 0, len(pointers))
	for _, pointer := range pointers {
		path, err := parsePointer(pointer)
		if err != nil {
			return Redaction{}, fmt.Errorf("%q %w", shorten(pointer), err)
		}
		paths = append(paths, path)
	}
	slices.SortFunc(paths, slices.Compare)
	paths = slices.CompactFunc(paths, slices.Equal)
	return Redaction{paths: paths, key: redactionKey(paths)}, nil
}

// anySegment is the segment that stands for every key and every index.
const anySegment = "*"

// protected is what an event cannot be made without.
var protected = [][]string{
	{"apiVersion"},
	{"kind"},
	{"metadata", "name"},
	{"metadata", "namespace"},
	{"metadata", "uid"},
	{"metadata", "resourceVersion"},
}

// parsePointer returns the segments of a pointer. Its errors go on behind the pointer.
func parsePointer(pointer string) ([]string, error) {
	switch {
	case pointer == "" || pointer == "/":
		return nil, errors.New("names the whole object; name what must not be seen of it, such as /spec or /data")
	case pointer[0] != '/':
		return nil, fmt.Errorf("must begin with a slash; write %q", shorten("/"+strings.ReplaceAll(pointer, ".", "/")))
	case len(pointer) > MaxRedactionBytes:
		return nil, fmt.Errorf("is longer than the %d bytes that are allowed; name what contains it", MaxRedactionBytes)
	case !utf8.ValidString(pointer):
		return nil, errors.New("must be UTF-8")
	}
	path := strings.Split(pointer[1:], "/")
	if len(path) > MaxRedactionDepth {
		return nil, fmt.Errorf("has more than the %d segments that are allowed; name what contains it", MaxRedactionDepth)
	}
	for i, segment := range path {
		if segment == "" {
			return nil, fmt.Errorf("has an empty segment; write %q, with ~1 for a slash within a key", withoutEmpty(path))
		}
		key, ok := unescape(segment)
		if !ok {
			return nil, errors.New("has a ~ that is neither ~0 nor ~1; write ~0 for a ~ within a key, ~1 for a slash")
		}
		path[i] = key
	}
	for _, needed := range protected {
		if contains(path, needed) {
			return nil, fmt.Errorf("would take away /%s, which every event needs; name something else, such as /metadata/annotations or /spec",
				strings.Join(needed, "/"))
		}
	}
	return path, nil
}

func withoutEmpty(path []string) string {
	path = slices.DeleteFunc(slices.Clone(path), func(s string) bool { return s == "" })
	return "/" + strings.Join(path, "/")
}

// contains says whether a place is at a path or below it.
func contains(path, place []string) bool {
	if len(path) > len(place) {
		return false
	}
	for i, segment := range path {
		if segment != anySegment && segment != place[i] {
			return false
		}
	}
	return true
}

// unescape reads one segment of a JSON Pointer.
func unescape(segment string) (string, bool) {
	for i := range len(segment) {
		if segment[i] == '~' && (i+1 == len(segment) || segment[i+1] != '0' && segment[i+1] != '1') {
			return "", false
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(segment, "~1", "/"), "~0", "~"), true
}

// redactionKey hashes the segments with their lengths, so that no two sets are written alike.
func redactionKey(paths [][]string) string {
	if len(paths) == 0 {
		return ""
	}
	var b []byte
	for _, path := range paths {
		b = binary.AppendUvarint(b, uint64(len(path)))
		for _, segment := range path {
			b = binary.AppendUvarint(b, uint64(len(segment)))
			b = append(b, segment...)
		}
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// shorten cuts what a message quotes.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Key returns a short id of the set, the same for equal sets in any order, and in any version. It is empty for
// the empty set.
func (r Redaction) Key() string { return r.key }

// Empty says whether the set names nothing.
func (r Redaction) Empty() bool { return len(r.paths) == 0 }
