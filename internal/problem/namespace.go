// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package problem

// maxNamespace is the longest name of a namespace, an RFC 1123 label.
const maxNamespace = 63

// CheckNamespace returns the 400 answer for a path whose namespace cannot be one, nil otherwise.
// Names reach authorization and storage from here, where a wildcard would mean something else.
func CheckNamespace(name string) error {
	if isLabel(name) {
		return nil
	}
	return BadRequest.New("The request names no namespace: use its name, such as team-a.").About("namespace")
}

// isLabel reports whether s is an RFC 1123 label in lower case.
func isLabel(s string) bool {
	if s == "" || len(s) > maxNamespace || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
