// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
)

// Limits on what a producer may send.
const (
	// MaxEventBytes is the most that the data of an event, or an event in JSON, may take.
	MaxEventBytes = 1 << 20
	// MaxAttributeBytes is the most that the names and values of all context attributes may take
	// together. It leaves room in the 64 KiB that HTTP servers commonly grant to headers, percent
	// encoding included.
	MaxAttributeBytes = 16 << 10
	// MaxBatchEvents is the most events of one batch.
	MaxBatchEvents = 1000
	// MaxBatchBytes is the most that a batch may take.
	MaxBatchBytes = 4 << 20
	// MaxDepth is how deep arrays and objects may nest in JSON data.
	MaxDepth = 64
)

// What only Posthorn itself may send: types below reservedType, and attributes that begin with
// reservedAttribute. Both are matched whatever their case, so that none looks like Posthorn's own.
const (
	reservedType      = "dev.posthorn."
	reservedAttribute = "posthorn"
)

// Validate returns the first rule that the event breaks, as *Error, or nil. The rules are those of
// CloudEvents 1.0 and Posthorn's own:
//
//   - id, source and type are not empty; source is a URI reference, dataschema an absolute URI and
//     datacontenttype a media type.
//   - No attribute holds a control character, a noncharacter of Unicode or bytes that are not UTF-8.
//   - Names of extensions are lower-case letters and digits, and none of the core attributes'.
//   - Types dev.posthorn.*, sources /namespaces/*/webhookeventsources/* and attributes posthorn* are Posthorn's:
//     ErrorKind Reserved.
//   - Data whose content type is JSON is valid JSON and nests at most MaxDepth deep.
//   - The attributes take at most MaxAttributeBytes, the data at most MaxEventBytes.
func (e *Event) Validate() error { return e.validate(true) }

// validate is Validate; the syntax of JSON data is checked only where it is not known to be right.
func (e *Event) validate(checkSyntax bool) error {
	for _, rule := range [...]func(*Event) error{
		(*Event).validateReserved, (*Event).validateSize, (*Event).validateStrings, (*Event).validateContext,
		(*Event).validateExtensions,
	} {
		if err := rule(e); err != nil {
			return err
		}
	}
	return e.validateData(checkSyntax)
}

func (e *Event) validateReserved() error {
	if isReservedType(e.Type) {
		return refuse(Reserved, "type", "types dev.posthorn.* are Posthorn's own; send another type")
	}
	if isReservedSource(e.Source) {
		return refuse(Reserved, "source", "sources /namespaces/*/webhookeventsources/* are Posthorn's own; send another source")
	}
	for name := range e.Extensions {
		if isReservedAttribute(name) {
			return reservedName(name)
		}
	}
	return nil
}

func isReservedType(t string) bool {
	return len(t) >= len(reservedType) && strings.EqualFold(t[:len(reservedType)], reservedType)
}

// isReservedSource reports whether a source is that of a WebhookEventSource. Source and id are what repetitions are
// known by: a producer that could send them beforehand would have Posthorn's own event taken for a repetition.
func isReservedSource(source string) bool {
	rest, ok := strings.CutPrefix(source, "/namespaces/")
	if !ok {
		return false
	}
	_, rest, ok = strings.Cut(rest, "/")
	return ok && strings.HasPrefix(rest, "webhookeventsources/")
}

func isReservedAttribute(name string) bool {
	return len(name) >= len(reservedAttribute) && strings.EqualFold(name[:len(reservedAttribute)], reservedAttribute)
}

func reservedName(name string) error {
	return refuse(Reserved, shorten(name), "attributes posthorn* are Posthorn's own; leave it out")
}

func (e *Event) validateSize() error {
	if n := e.attributeBytes(); n > MaxAttributeBytes {
		return refuse(TooLarge, "", "the attributes take %d bytes, more than the %d that are allowed; move what is large into data",
			n, MaxAttributeBytes)
	}
	if len(e.Data) > MaxEventBytes {
		return refuse(TooLarge, "data", "takes %d bytes, more than the %d that are allowed; send a reference to it", len(e.Data), MaxEventBytes)
	}
	return nil
}

// timeBytes is the longest that a timestamp gets: 2006-01-02T15:04:05.999999999Z.
const timeBytes = 30

func (e *Event) attributeBytes() int {
	n := 0
	for _, a := range e.strings() {
		if a.value != "" {
			n += len(a.name) + len(a.value)
		}
	}
	if !e.Time.IsZero() {
		n += len("time") + timeBytes
	}
	for name, value := range e.Extensions {
		n += len(name)
		switch v := value.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		default:
			n += 4 // an int32, or true
		}
	}
	return n
}

type stringAttribute struct{ name, value string }

func (e *Event) strings() [6]stringAttribute {
	return [...]stringAttribute{
		{"id", e.ID},
		{"source", e.Source},
		{"type", e.Type},
		{"subject", e.Subject},
		{"datacontenttype", e.DataContentType},
		{"dataschema", e.DataSchema},
	}
}

func (e *Event) validateStrings() error {
	for _, a := range e.strings() {
		if err := validateString(a.name, a.value); err != nil {
			return err
		}
	}
	return nil
}

// validateString holds a value to the type String of CloudEvents.
func validateString(name, value string) error {
	if !utf8.ValidString(value) {
		return malformed(name, "must be UTF-8")
	}
	for _, r := range value {
		if unicode.IsControl(r) {
			return malformed(name, "must not contain control characters")
		}
		if r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFE == 0xFFFE {
			return malformed(name, "must not contain noncharacters of Unicode")
		}
	}
	return nil
}

// validateContext asks the CloudEvents SDK for its verdict on the core attributes.
func (e *Event) validateContext() error {
	c := cloudevents.EventContextV1{ID: e.ID, Type: e.Type}
	if e.Source != "" {
		source := types.ParseURIRef(e.Source)
		if source == nil {
			return malformed("source", "must be a URI reference")
		}
		c.Source = *source
	}
	if e.Subject != "" {
		c.Subject = &e.Subject
	}
	if e.DataContentType != "" {
		// The SDK lets a type without a subtype pass, as Go's parser does.
		if !strings.Contains(bareMedia(e.DataContentType), "/") {
			return malformed("datacontenttype", "%s", contextRules["datacontenttype"])
		}
		c.DataContentType = &e.DataContentType
	}
	if e.DataSchema != "" {
		if c.DataSchema = types.ParseURI(e.DataSchema); c.DataSchema == nil {
			return malformed("dataschema", "%s", contextRules["dataschema"])
		}
	}
	broken := c.Validate()
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		return malformed(name, "%s", contextRules[name])
	}
	return nil
}

// contextRules says what to send where the SDK refuses a core attribute.
var contextRules = map[string]string{
	"id":              "must not be empty",
	"source":          "must be a URI reference that is not empty",
	"type":            "must not be empty",
	"subject":         "must not be blank; leave it out where there is none",
	"datacontenttype": "must be a media type such as application/json",
	"dataschema":      "must be an absolute URI",
}

func (e *Event) validateExtensions() error {
	for name, value := range e.Extensions {
		if err := validateName(name); err != nil {
			return err
		}
		switch v := value.(type) {
		case string:
			if err := validateString(name, v); err != nil {
				return err
			}
		case bool, int32, []byte:
		default:
			return malformed(name, "must be a string, a boolean or a 32-bit integer")
		}
	}
	return nil
}

// validateName holds the name of an extension to the CloudEvents rules.
func validateName(name string) error {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return malformed(shorten(name), "names of attributes are lower-case letters and digits only")
		}
	}
	switch name {
	case "":
		return malformed("", "the name of an attribute must not be empty")
	case "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "specversion", "data":
		return malformed(name, "is no name for an extension")
	}
	return nil
}

func (e *Event) validateData(checkSyntax bool) error {
	if e.Data == nil || !e.IsJSON() {
		return nil
	}
	if checkSyntax && (!utf8.Valid(e.Data) || !json.Valid(e.Data)) {
		return malformed("data", "is not valid JSON, as datacontenttype says it is%s", syntaxAt(e.Data))
	}
	if depth(e.Data) > MaxDepth {
		return malformed("data", "must not nest deeper than %d", MaxDepth)
	}
	return nil
}

// shorten makes a name that a producer chose fit for a message.
func shorten(name string) string {
	const most = 40
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name), "\uFFFD")
}
