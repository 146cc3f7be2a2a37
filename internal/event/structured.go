// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
)

// ParseStructured reads one event of the media type application/cloudevents+json. The event keeps
// slices of body.
//
// A member that stands twice in the envelope is refused, since readers differ in which one they
// take. Within data the text is kept as it is, and filters see the last of two equal members. An
// optional attribute that is null is absent.
func ParseStructured(namespace string, body []byte) (*Event, error) {
	if len(body) > MaxEventBytes {
		return nil, refuse(TooLarge, "", "the event takes %d bytes, more than the %d that are allowed", len(body), MaxEventBytes)
	}
	if err := checkJSON(body); err != nil {
		return nil, err
	}
	return parseObject(namespace, body)
}

// parseObject reads an event from valid JSON.
func parseObject(namespace string, body []byte) (*Event, error) {
	p := structured{event: &Event{Namespace: namespace}}
	isObject, err := members(body, p.member)
	switch {
	case err != nil:
		return nil, err
	case !isObject:
		return nil, malformed("", "an event must be a JSON object")
	case !p.versioned:
		return nil, malformed("specversion", `is missing; send "1.0"`)
	}
	if err := p.setData(); err != nil {
		return nil, err
	}
	// Data that stood in the envelope is JSON already: only its depth is left to be looked at.
	if err := p.event.validate(p.data == nil); err != nil {
		return nil, err
	}
	return p.event, nil
}

// structured collects the members of one envelope.
type structured struct {
	event *Event
	// seen holds the names so far. Envelopes are short: a slice is faster than a map.
	seen       []string
	versioned  bool
	data, blob []byte
}

func (p *structured) member(name string, value []byte) error {
	if slices.Contains(p.seen, name) {
		return malformed(shorten(name), "stands twice in the event")
	}
	if len(p.seen) == maxMembers {
		return refuse(TooLarge, "", "the event has more than %d attributes", maxMembers)
	}
	p.seen = append(p.seen, name)

	null := string(value) == "null"
	switch name {
	case "data":
		p.data = value
		return nil
	case "specversion":
		p.versioned = true
		return p.setVersion(value)
	}
	if isReservedAttribute(name) {
		return reservedName(name)
	}
	if null {
		return p.setNull(name)
	}
	switch name {
	case "data_base64":
		return p.setBlob(value)
	case "time":
		return p.setTime(value)
	}
	if target := p.event.attribute(name); target != nil {
		return setString(target, name, value)
	}
	return p.setExtension(name, value)
}

// maxMembers bounds the members of an envelope, which are compared with each other. Each takes at
// least a byte of name, so that MaxAttributeBytes alone would leave room for thousands.
const maxMembers = 256

// attribute returns the field of a core attribute that is a string, or nil.
func (e *Event) attribute(name string) *string {
	switch name {
	case "id":
		return &e.ID
	case "source":
		return &e.Source
	case "type":
		return &e.Type
	case "subject":
		return &e.Subject
	case "datacontenttype":
		return &e.DataContentType
	case "dataschema":
		return &e.DataSchema
	}
	return nil
}

func (p *structured) setVersion(value []byte) error {
	if string(value) != `"1.0"` {
		return malformed("specversion", `must be "1.0"`)
	}
	return nil
}

// setNull takes a member that is null: as absent where it is optional.
func (p *structured) setNull(name string) error {
	switch name {
	case "id", "source", "type":
		return malformed(name, "must not be null")
	case "subject", "datacontenttype", "dataschema", "time", "data_base64":
		return nil
	}
	return validateName(name)
}

func setString(target *string, name string, value []byte) error {
	if value[0] != '"' {
		return malformed(name, "must be a string")
	}
	s, err := unquote(value)
	if err != nil {
		return err
	}
	if s == "" {
		return malformed(name, "must not be empty")
	}
	*target = s
	return nil
}

func (p *structured) setTime(value []byte) error {
	var s string
	if err := setString(&s, "time", value); err != nil {
		return err
	}
	t, err := parseTime(s)
	if err != nil {
		return err
	}
	p.event.Time = t
	return nil
}

// parseTime reads an RFC 3339 timestamp. UnmarshalText is stricter than time.Parse, which takes
// offsets that do not exist. The result is in UTC: instants are kept, not the producer's offset. The
// first instant of the year 1 is Go's zero time, which producers send for no time at all, and is taken
// for that.
func parseTime(s string) (time.Time, error) {
	var t time.Time
	if err := t.UnmarshalText([]byte(s)); err != nil {
		return time.Time{}, malformed("time", "must be an RFC 3339 timestamp such as 2026-01-02T15:04:05Z")
	}
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return time.Time{}, malformed("time", "must lie between the years 0 and 9999")
	}
	return t, nil
}

func (p *structured) setExtension(name string, value []byte) error {
	if err := validateName(name); err != nil {
		return err
	}
	v, err := extensionValue(name, value)
	if err != nil {
		return err
	}
	if p.event.Extensions == nil {
		p.event.Extensions = make(map[string]any)
	}
	p.event.Extensions[name] = v
	return nil
}

// extensionValue reads the JSON of an extension as the CloudEvents type that it stands for.
func extensionValue(name string, value []byte) (any, error) {
	switch value[0] {
	case '"':
		return unquote(value)
	case 't', 'f':
		return value[0] == 't', nil
	case '{', '[':
		return nil, malformed(name, "must be a string, a boolean or an integer; objects and arrays belong into data")
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < math.MinInt32 || n > math.MaxInt32 {
		return nil, malformed(name, "must be an integer of 32 bits; send other numbers as strings")
	}
	return int32(n), nil
}

func (p *structured) setBlob(value []byte) error {
	if value[0] != '"' {
		return malformed("data_base64", "must be a string")
	}
	text, err := unquote(value)
	if err != nil {
		return err
	}
	p.blob, err = base64.StdEncoding.DecodeString(text)
	if err != nil {
		return malformed("data_base64", "must be base64 with padding (RFC 4648, section 4)")
	}
	return nil
}

// setData decides what the data is once all members are known: they come in any order.
func (p *structured) setData() error {
	e := p.event
	switch {
	case p.data != nil && p.blob != nil:
		return malformed("data", "must not stand beside data_base64")
	case p.blob != nil:
		e.Data = p.blob
		if e.DataContentType == "" && !json.Valid(e.Data) {
			// Without a content type data is JSON; this is not.
			e.DataContentType = mediaBinary
		}
	case p.data == nil:
	case e.IsJSON():
		e.Data = p.data
	case bytes.Equal(p.data, []byte("null")):
	case p.data[0] == '"':
		text, err := unquote(p.data)
		if err != nil {
			return err
		}
		e.Data = []byte(text)
		p.data = nil // it is no longer JSON
	default:
		return malformed("data", "must be a string, or stand in data_base64, where datacontenttype is not JSON")
	}
	return nil
}
