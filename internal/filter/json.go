// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parseJSON returns what one JSON text stands for, with numbers as number reads them, and whether it
// is one. Of two equal members the last counts.
//
// It is a parser of its own because every event that meets a filter is parsed: encoding/json takes
// three times as long where numbers have to keep their digits. It leaves the grammar to json.Valid,
// and so cannot take anything that encoding/json would not.
func parseJSON(b []byte) (any, bool) {
	if !json.Valid(b) {
		return nil, false
	}
	p := parser{text: string(b)}
	return p.value(), true
}

// parser reads valid JSON. Strings without escapes are slices of text.
type parser struct {
	text string
	at   int
}

func (p *parser) value() any {
	p.space()
	switch p.text[p.at] {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		return p.string()
	case 't':
		p.at += len("true")
		return true
	case 'f':
		p.at += len("false")
		return false
	case 'n':
		p.at += len("null")
		return nil
	}
	return p.number()
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

// next skips what separates values and reports whether another follows.
func (p *parser) next(closing byte) bool {
	p.space()
	if p.text[p.at] == ',' {
		p.at++
		p.space()
	}
	if p.text[p.at] == closing {
		p.at++
		return false
	}
	return true
}

func (p *parser) object() any {
	p.at++
	m := make(map[string]any)
	for p.next('}') {
		key := p.string()
		p.space()
		p.at++ // the colon
		m[key] = p.value()
	}
	return m
}

func (p *parser) array() any {
	p.at++
	list := []any{}
	for p.next(']') {
		list = append(list, p.value())
	}
	return list
}

func (p *parser) string() string {
	start := p.at
	end := start + 1
	for {
		end += strings.IndexByte(p.text[end:], '"')
		escapes := 0
		for p.text[end-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			break
		}
		end++
	}
	p.at = end + 1
	s := p.text[start+1 : end]
	if strings.IndexByte(s, '\\') < 0 && utf8.ValidString(s) {
		return s
	}
	var decoded string
	_ = json.Unmarshal([]byte(p.text[start:p.at]), &decoded) // valid, as the whole is
	return decoded
}

func (p *parser) number() any {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte("+-.0123456789Ee", p.text[p.at]) >= 0 {
		p.at++
	}
	return number(p.text[start:p.at])
}

// number reads a JSON number: an int64 where it is an integer that fits, a uint64 where only that
// fits, otherwise the nearest float64. So 100 compares as an integer and keeps all its digits up to
// 64 bits.
func number(s string) any {
	if !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i
		}
		if u, err := strconv.ParseUint(s, 10, 64); err == nil {
			return u
		}
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range is infinite, which compares right
	return f
}
