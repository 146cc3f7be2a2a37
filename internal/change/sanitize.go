// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"maps"
	"strconv"
	"strings"
)

// Sanitize returns the object without what nobody may see: metadata.managedFields, the last-applied annotations
// of whatever tool (IsLastApplied), data and stringData of a Secret, and what the redaction names. The object is
// not written to: the result shares with it what has not changed, so neither may be written to afterwards.
func Sanitize(object map[string]any, redaction Redaction) map[string]any {
	clean := copyOnWrite{m: object}
	if metadata, ok := object["metadata"].(map[string]any); ok {
		if stripped, changed := sanitizeMetadata(metadata); changed {
			clean.set("metadata", stripped)
		}
	}
	if stringAt(object, "kind") == "Secret" && stringAt(object, "apiVersion") == "v1" {
		clean.remove("data")
		clean.remove("stringData")
	}
	if redaction.Empty() {
		return clean.m
	}
	stripped, _ := stripMap(clean.m, redaction.paths)
	return stripped
}

// sanitizeMetadata also takes away annotations that are empty then: an object does not differ from another in
// how it was applied.
func sanitizeMetadata(metadata map[string]any) (map[string]any, bool) {
	clean := copyOnWrite{m: metadata}
	clean.remove("managedFields")
	annotations := copyOnWrite{m: mapAt(metadata, "annotations")}
	for name := range mapAt(metadata, "annotations") {
		if IsLastApplied(name) {
			annotations.remove(name)
		}
	}
	switch {
	case annotations.copied && len(annotations.m) == 0:
		clean.remove("annotations")
	case annotations.copied:
		clean.set("annotations", annotations.m)
	}
	return clean.m, clean.copied
}

// copyOnWrite is a map that belongs to others until it is changed.
type copyOnWrite struct {
	m      map[string]any
	copied bool
}

func (c *copyOnWrite) own() {
	if !c.copied {
		c.m, c.copied = maps.Clone(c.m), true
	}
}

func (c *copyOnWrite) set(key string, value any) {
	c.own()
	c.m[key] = value
}

func (c *copyOnWrite) remove(key string) {
	if _, ok := c.m[key]; ok {
		c.own()
		delete(c.m, key)
	}
}

// strip takes what the paths name out of a value, and says whether that changed it. The value itself is left as
// it is: what changes is copied.
func strip(value any, paths [][]string) (any, bool) {
	switch v := value.(type) {
	case map[string]any:
		return stripMap(v, paths)
	case []any:
		return stripList(v, paths)
	}
	return value, false
}

func stripMap(m map[string]any, paths [][]string) (map[string]any, bool) {
	result := copyOnWrite{m: m}
	for key := range heads(m, paths) {
		below, here := follow(paths, key)
		if here {
			result.remove(key)
		} else if stripped, changed := strip(m[key], below); changed {
			result.set(key, stripped)
		}
	}
	return result.m, result.copied
}

// heads goes through the keys of a map that the paths begin with: through all of them only where it must.
func heads(m map[string]any, paths [][]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, path := range paths {
			if path[0] == anySegment {
				maps.Keys(m)(yield)
				return
			}
		}
		for i, path := range paths {
			_, ok := m[path[0]]
			if ok && (i == 0 || paths[i-1][0] != path[0]) && !yield(path[0]) {
				return
			}
		}
	}
}

func stripList(list []any, paths [][]string) ([]any, bool) {
	result, changed := make([]any, 0, len(list)), false
	for i, value := range list {
		below, here := follow(paths, strconv.Itoa(i))
		if here {
			changed = true
			continue
		}
		stripped, differs := strip(value, below)
		changed = changed || differs
		result = append(result, stripped)
	}
	if !changed {
		return list, false
	}
	return result, true
}

// follow returns what is left of the paths behind a key, and whether one of them ends there.
func follow(paths [][]string, key string) (below [][]string, here bool) {
	for _, path := range paths {
		if path[0] != key && path[0] != anySegment {
			continue
		}
		if len(path) == 1 {
			return nil, true
		}
		below = append(below, path[1:])
	}
	return below, false
}

// IsLastApplied says whether an annotation holds what a tool has last applied: a copy of the object, of which
// redaction knows nothing, and which for a Secret holds its data.
//
// Most of them are named last-applied-configuration or last-applied, each tool with a prefix of its own (kubectl,
// KubeVela, Banzai Cloud's and Azure Fleet's operators): whatever begins with last-applied behind the prefix is
// one. kapp, Rancher's Wrangler (k3s and Fleet) and Config Sync name theirs otherwise.
func IsLastApplied(annotation string) bool {
	prefix, name, found := strings.Cut(annotation, "/")
	if !found {
		prefix, name = "", annotation
	}
	switch prefix {
	case "kapp.k14s.io":
		return strings.HasPrefix(name, "original")
	case "objectset.rio.cattle.io":
		return name == "applied"
	case "configmanagement.gke.io":
		return name == "declared-config"
	}
	return strings.HasPrefix(name, "last-applied")
}
