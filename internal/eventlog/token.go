// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"net/url"
	"strings"
)

// token makes one subject token of a name: names may hold dots, tokens may not, so an underscore, which is in no name of
// Kubernetes, stands for one. A host may hold whatever a URL lets through, an underscore as well as a space in the zone
// of an address: what is not plain is percent-encoded. Names of objects are written as earlier builds wrote them.
func token(name string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			b.WriteByte('_')
		case plain(c):
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// plain reports whether a token may hold the byte as it is: those of names, ports and addresses.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-:[]", c) >= 0
}

// parseToken reads what token wrote.
func parseToken(s string) string {
	s = strings.ReplaceAll(s, "_", ".")
	name, err := url.PathUnescape(s)
	if err != nil {
		return s // of an earlier build, which wrote a percent sign as it is
	}
	return name
}
