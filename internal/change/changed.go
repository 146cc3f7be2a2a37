// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of ChangedPaths.
const (
	// MaxChangedPaths is the most paths that are listed.
	MaxChangedPaths = 64
	// MaxChangedBytes is the longest that they may be when joined.
	MaxChangedBytes = 4096
)

// ChangedPaths returns the JSON Pointers of what a patch changes, sorted and each once. resourceVersion and
// generation, which every change changes, are left out. Where there are more than MaxChangedPaths, or they are
// longer than MaxChangedBytes, the deepest are replaced by what contains them until they fit: the list is
// coarser then, but nothing is missing from it.
func ChangedPaths(patch Patch) []string {
	paths := make([]string, 0, len(patch))
	deepest := 0
	for _, step := range patch {
		if step.Path == "/metadata/resourceVersion" || step.Path == "/metadata/generation" {
			continue
		}
		paths = append(paths, step.Path)
		deepest = max(deepest, strings.Count(step.Path, "/"))
	}
	paths = sortPaths(paths)
	for depth := deepest - 1; depth >= 0 && !fits(paths); depth-- {
		for i, path := range paths {
			paths[i] = cut(path, depth)
		}
		paths = sortPaths(paths)
	}
	return paths
}

func fits(paths []string) bool {
	return len(paths) <= MaxChangedPaths && len(JoinPaths(paths)) <= MaxChangedBytes
}

// cut returns what contains a path, at most so many segments deep.
func cut(path string, depth int) string {
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		if depth == 0 {
			return path[:i]
		}
		depth--
	}
	return path
}

func sortPaths(paths []string) []string {
	slices.Sort(paths)
	return slices.Compact(paths)
}

// JoinPaths returns the paths as one string, the value of the extension changed: separated by commas. A comma
// within a path is written %2C, a percent sign %25, and control characters likewise, as in the URI form of JSON
// Pointers (RFC 6901, section 6).
func JoinPaths(paths []string) string {
	var b strings.Builder
	for i, path := range paths {
		if i > 0 {
			b.WriteByte(',')
		}
		writePath(&b, path)
	}
	return b.String()
}

func writePath(b *strings.Builder, path string) {
	for i := 0; i < len(path); {
		r, size := utf8.DecodeRuneInString(path[i:])
		if r == ',' || r == '%' || r == utf8.RuneError && size == 1 || !isAttributeRune(r) {
			for _, c := range []byte(path[i : i+size]) {
				fmt.Fprintf(b, "%%%02X", c)
			}
		} else {
			b.WriteString(path[i : i+size])
		}
		i += size
	}
}
