// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"strings"
	"unicode/utf8"
)

// maxNameBytes is how long the names are that Nearest compares.
const maxNameBytes = 100

// Nearest returns which of the names was most likely meant by one that is none of them: the one that takes
// the fewest letters to change, upper and lower case aside; "" where none is near. Of two that are equally
// near it is the first in the alphabet.
func Nearest(name string, names []string) string {
	if len(name) > maxNameBytes {
		return ""
	}
	best, least := "", max(2, utf8.RuneCountInString(name)/3)+1
	for _, n := range names {
		if len(n) > maxNameBytes {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least || d == least && best != "" && n < best {
			best, least = n, d
		}
	}
	if least >= utf8.RuneCountInString(name) {
		return "" // nothing of it would be left
	}
	return best
}

// distance is the number of characters to insert, remove or replace to get from a to b.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, f := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, t := range to {
			replaced := diagonal
			if f != t {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(to)]
}
