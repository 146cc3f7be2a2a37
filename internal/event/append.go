// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/base64"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendStructured appends the event in the structured content mode, the JSON of the media type
// application/cloudevents+json, and returns the longer slice. JSON data is embedded as it came,
// text as a string, all other data as data_base64. Extensions are in the order of their names, so
// that equal events give equal bytes. Namespace and Origin are not part of it.
//
// The event must be one that Validate accepts: JSON data is not looked at again.
func (e *Event) AppendStructured(dst []byte) []byte {
	dst = append(dst, `{"specversion":"1.0"`...)
	dst = appendMember(dst, `,"id":`, e.ID)
	dst = appendMember(dst, `,"source":`, e.Source)
	dst = appendMember(dst, `,"type":`, e.Type)
	dst = appendMember(dst, `,"subject":`, e.Subject)
	if !e.Time.IsZero() {
		dst = append(dst, `,"time":"`...)
		dst = e.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
		dst = append(dst, '"')
	}
	dst = appendMember(dst, `,"datacontenttype":`, e.DataContentType)
	dst = appendMember(dst, `,"dataschema":`, e.DataSchema)
	if len(e.Extensions) > 0 {
		dst = e.appendExtensions(dst)
	}
	if e.Data != nil {
		dst = e.appendData(dst)
	}
	return append(dst, '}')
}

func appendMember(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return AppendJSONString(append(dst, key...), value)
}

func (e *Event) appendExtensions(dst []byte) []byte {
	for _, name := range e.ExtensionNames() {
		dst = append(dst, ',')
		dst = AppendJSONString(dst, name)
		dst = append(dst, ':')
		switch v := e.Extensions[name].(type) {
		case bool:
			dst = strconv.AppendBool(dst, v)
		case int32:
			dst = strconv.AppendInt(dst, int64(v), 10)
		default:
			dst = AppendJSONString(dst, canonicalString(v))
		}
	}
	return dst
}

// ExtensionNames returns the names of the extensions in their order.
func (e *Event) ExtensionNames() []string {
	if len(e.Extensions) == 0 {
		return nil
	}
	names := make([]string, 0, len(e.Extensions))
	for name := range e.Extensions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (e *Event) appendData(dst []byte) []byte {
	switch {
	case e.IsJSON():
		dst = append(dst, `,"data":`...)
		return append(dst, e.Data...)
	case e.IsText() && utf8.Valid(e.Data):
		dst = append(dst, `,"data":`...)
		return AppendJSONString(dst, string(e.Data))
	}
	dst = append(dst, `,"data_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, e.Data)
	return append(dst, '"')
}

// lowerHex are the digits of \u escapes.
const lowerHex = "0123456789abcdef"

// AppendJSONString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD; nothing is
// escaped but what JSON demands.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
}
