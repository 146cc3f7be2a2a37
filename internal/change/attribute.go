// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"strings"
	"unicode"
)

// maxAttribute is how many bytes of a text of others an attribute takes: more than the longest name, reason or
// field manager that Kubernetes accepts.
const maxAttribute = 512

// isAttributeRune says whether the type String of CloudEvents holds a character.
func isAttributeRune(r rune) bool {
	return !unicode.IsControl(r) && (r < 0xFDD0 || r > 0xFDEF) && r&0xFFFE != 0xFFFE
}

// attribute makes of a text of others what an attribute may hold; nothing where only space is left.
func attribute(s string) string {
	if len(s) > maxAttribute {
		s = s[:maxAttribute]
	}
	s = strings.Map(func(r rune) rune {
		if !isAttributeRune(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return s
}
