// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// headerPrefix begins the header of every context attribute but datacontenttype, in the spelling of
// http.CanonicalHeaderKey.
const headerPrefix = "Ce-"

// ParseBinary reads an event in the binary content mode: attributes in ce-* headers, the data in
// the body and its content type in Content-Type. Extensions are strings, since headers have no
// other type. Without a Content-Type the data counts as JSON if it is JSON, else as
// application/octet-stream. The event keeps body.
func ParseBinary(namespace string, h http.Header, body []byte) (*Event, error) {
	e := &Event{Namespace: namespace}
	versioned := false
	for key, values := range h {
		if len(key) <= len(headerPrefix) || !strings.EqualFold(key[:len(headerPrefix)], headerPrefix) {
			continue
		}
		name := strings.ToLower(key[len(headerPrefix):])
		value, err := headerValue(name, values)
		if err != nil {
			return nil, err
		}
		if name == "specversion" {
			if versioned = value == "1.0"; !versioned {
				return nil, malformed(name, "must be 1.0")
			}
			continue
		}
		if err := e.setHeader(name, value); err != nil {
			return nil, err
		}
	}
	if !versioned {
		return nil, malformed("specversion", "is missing; send the header ce-specversion: 1.0")
	}
	if err := e.setBody(h.Values("Content-Type"), body); err != nil {
		return nil, err
	}
	if err := e.Validate(); err != nil {
		return nil, err
	}
	return e, nil
}

// headerValue returns the one value of an attribute's header, decoded.
func headerValue(name string, values []string) (string, error) {
	if len(values) != 1 {
		return "", malformed(shorten(name), "must be sent in one header, once")
	}
	value, err := decodeHeader(values[0])
	if err != nil {
		return "", malformed(shorten(name), "%s", err.Error())
	}
	return value, nil
}

func (e *Event) setHeader(name, value string) error {
	if isReservedAttribute(name) {
		return reservedName(name)
	}
	switch name {
	case "datacontenttype":
		return malformed(name, "must be sent as Content-Type in the binary mode")
	case "time":
		t, err := parseTime(value)
		e.Time = t
		return err
	}
	if target := e.attribute(name); target != nil {
		if value == "" {
			return malformed(name, "must not be empty")
		}
		if *target != "" {
			return malformed(name, "must be sent in one header, once")
		}
		*target = value
		return nil
	}
	if err := validateName(name); err != nil {
		return err
	}
	if e.Extensions == nil {
		e.Extensions = make(map[string]any)
	}
	if _, twice := e.Extensions[name]; twice {
		return malformed(name, "must be sent in one header, once")
	}
	e.Extensions[name] = value
	return nil
}

func (e *Event) setBody(contentTypes []string, body []byte) error {
	switch {
	case len(contentTypes) > 1:
		return malformed("datacontenttype", "must be sent in one header, once")
	case len(contentTypes) == 1 && contentTypes[0] != "":
		e.DataContentType = contentTypes[0]
	case len(body) > 0 && !json.Valid(body):
		e.DataContentType = mediaBinary
	}
	if len(body) > 0 {
		e.Data = body
	}
	return nil
}

// BinaryHeader sets the headers of the binary content mode in h: a ce-* header for every attribute,
// and Content-Type where there is data or a content type. The body that belongs to them is Data.
func (e *Event) BinaryHeader(h http.Header) {
	set := func(key, value string) {
		if value != "" {
			h[key] = []string{encodeHeader(value)}
		}
	}
	set("Ce-Specversion", "1.0")
	set("Ce-Id", e.ID)
	set("Ce-Source", e.Source)
	set("Ce-Type", e.Type)
	set("Ce-Subject", e.Subject)
	set("Ce-Dataschema", e.DataSchema)
	if !e.Time.IsZero() {
		set("Ce-Time", e.Time.UTC().Format(time.RFC3339Nano))
	}
	for name, value := range e.Extensions {
		set(http.CanonicalHeaderKey(headerPrefix+name), canonicalString(value))
	}
	switch {
	case e.DataContentType != "":
		h["Content-Type"] = []string{e.DataContentType}
	case e.Data != nil:
		h["Content-Type"] = []string{mediaJSON}
	}
}

// canonicalString returns the string form that CloudEvents defines for each type.
func canonicalString(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int32:
		return strconv.FormatInt(int64(v), 10)
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	}
	return ""
}

const upperHex = "0123456789ABCDEF"

// mustEncode reports whether the HTTP binding wants the byte percent-encoded: space, double quote,
// percent, and all that is not printable ASCII.
func mustEncode(c byte) bool {
	return c <= ' ' || c == '"' || c == '%' || c >= 0x7F
}

// encodeHeader percent-encodes an attribute's value for a header (CloudEvents HTTP binding 1.0.2,
// section 3.1.3.2).
func encodeHeader(s string) string {
	n := 0
	for i := range len(s) {
		if mustEncode(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; mustEncode(c) {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// headerError is why a header's value does not decode.
type headerError string

// Error returns what the value should have been.
func (e headerError) Error() string { return string(e) }

const (
	errUnclosedQuote headerError = "opens a quoted string that it does not close"
	errNotUTF8       headerError = "must be UTF-8 once it is percent-decoded"
)

// decodeHeader undoes encodeHeader: first quotes, which older producers send, then one round of
// percent-decoding. A percent sign that no two hexadecimal digits follow stands for itself, since
// older producers do not encode it.
func decodeHeader(s string) (string, error) {
	s, err := unquoteHeader(s)
	if err != nil {
		return "", err
	}
	if strings.IndexByte(s, '%') >= 0 {
		b := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
				b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
				i += 2
				continue
			}
			b = append(b, s[i])
		}
		s = string(b)
	}
	if !utf8.ValidString(s) {
		return "", errNotUTF8
	}
	return s, nil
}

// unquoteHeader resolves a quoted string of HTTP (RFC 9110, section 5.6.4), if s is one.
func unquoteHeader(s string) (string, error) {
	if s == "" || s[0] != '"' {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"' && i == len(s)-1:
			return string(b), nil
		case s[i] == '"':
			return "", errUnclosedQuote
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b = append(b, s[i])
	}
	return "", errUnclosedQuote
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
