// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// checkJSON refuses what is not one JSON text in UTF-8. The functions below take what it accepted.
func checkJSON(b []byte) error {
	if !utf8.Valid(b) {
		return malformed("", "the JSON is not UTF-8")
	}
	if !json.Valid(b) {
		return malformed("", "the body is not valid JSON%s", syntaxAt(b))
	}
	return nil
}

// syntaxAt says where the JSON breaks. It parses again, which only a refused body has to pay.
func syntaxAt(b []byte) string {
	var raw json.RawMessage
	err := json.Unmarshal(b, &raw)
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// depth returns how deep arrays and objects nest in valid JSON: 0 for a scalar.
func depth(b []byte) int {
	level, deepest := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = endOfString(b, i) - 1
		case '{', '[':
			level++
			deepest = max(deepest, level)
		case '}', ']':
			level--
		}
	}
	return deepest
}

// members calls f for each member of the JSON object in b, in order, with its name unescaped and its
// value as it stands there, and stops at the first error. b is valid JSON; it reports false when b
// is no object.
func members(b []byte, f func(name string, value []byte) error) (bool, error) {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return false, nil
	}
	for i = skipSpace(b, i+1); b[i] != '}'; {
		end := endOfString(b, i)
		name, err := unquote(b[i:end])
		if err != nil {
			return true, err
		}
		start := skipSpace(b, skipSpace(b, end)+1) // behind the colon
		end = endOfValue(b, start)
		if err := f(name, b[start:end]); err != nil {
			return true, err
		}
		i = skipSeparator(b, end)
	}
	return true, nil
}

// elements is members for the elements of a JSON array.
func elements(b []byte, f func(value []byte) error) (bool, error) {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '[' {
		return false, nil
	}
	for i = skipSpace(b, i+1); b[i] != ']'; {
		end := endOfValue(b, i)
		if err := f(b[i:end]); err != nil {
			return true, err
		}
		i = skipSeparator(b, end)
	}
	return true, nil
}

// unquote returns the string that a JSON string stands for. Half of a surrogate pair is refused:
// decoders put U+FFFD in its place, so that two different ids would become one.
func unquote(b []byte) (string, error) {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1]), nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return "", malformed("", "a string of the event is not valid JSON")
	}
	if bytes.ContainsRune([]byte(s), utf8.RuneError) && !bytes.ContainsRune(b, utf8.RuneError) &&
		!bytes.Contains(bytes.ToLower(b), []byte(`\ufffd`)) {
		return "", malformed("", "a string of the event holds half of a surrogate pair")
	}
	return s, nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipSeparator moves from the end of a value to the next one, or to the closing bracket.
func skipSeparator(b []byte, i int) int {
	i = skipSpace(b, i)
	if b[i] == ',' {
		i = skipSpace(b, i+1)
	}
	return i
}

// endOfString returns the index behind the string that begins at i. It leaps from quote to quote,
// which is much faster than a look at every byte, and counts the backslashes before each.
func endOfString(b []byte, i int) int {
	for end := i + 1; ; end++ {
		end += bytes.IndexByte(b[end:], '"')
		escapes := 0
		for b[end-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return end + 1
		}
	}
}

// endOfValue returns the index behind the value that begins at i.
func endOfValue(b []byte, i int) int {
	level := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = endOfString(b, i) - 1
			if level == 0 {
				return i + 1
			}
		case '{', '[':
			level++
		case '}', ']':
			if level == 0 {
				return i
			}
			if level--; level == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if level == 0 {
				return i
			}
		}
	}
	return i
}
