// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"encoding/base64"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// Format says what a request carries. The values are those of the API.
type Format string

// Formats.
const (
	// FormatCloudEvents is an event in the structured content mode: all of it is JSON in the body.
	FormatCloudEvents Format = "CloudEvents"
	// FormatCloudEventsBinary is an event in the binary content mode: the data is the body, the
	// attributes are ce-* headers.
	FormatCloudEventsBinary Format = "CloudEventsBinary"
	// FormatStandardWebhooks is the object {type, timestamp, data} that Standard Webhooks advises.
	// There is no timestamp where the event has no time. Text is a string in data and all else that
	// is not JSON is base64, as in FormatCloudEvents.
	FormatStandardWebhooks Format = "StandardWebhooks"
	// FormatData is the data alone, with its own content type: what Slack and its like take.
	FormatData Format = "Data"
)

// Formats returns every format.
func Formats() []Format {
	return []Format{FormatCloudEvents, FormatCloudEventsBinary, FormatStandardWebhooks, FormatData}
}

// Media types of bodies that Posthorn makes itself.
const (
	mediaCloudEvents = "application/cloudevents+json"
	mediaJSON        = "application/json"
)

// renderers make the body of each format.
var renderers = map[Format]func(*event.Event) *Body{
	FormatCloudEvents:       renderStructured,
	FormatCloudEventsBinary: renderBinary,
	FormatStandardWebhooks:  renderStandardWebhooks,
	FormatData:              renderData,
}

// Headers of bodies that Posthorn makes itself are the same for all events, and shared.
var (
	headerCloudEvents = http.Header{"Content-Type": {mediaCloudEvents}}
	headerJSON        = http.Header{"Content-Type": {mediaJSON}}
	headerNone        = http.Header{}
)

// envelopeBytes is about what an envelope takes beside its attributes and data.
const envelopeBytes = 384

func renderStructured(e *event.Event) *Body {
	return &Body{Header: headerCloudEvents, Data: e.AppendStructured(make([]byte, 0, len(e.Data)+envelopeBytes))}
}

func renderBinary(e *event.Event) *Body {
	h := make(http.Header, 8+len(e.Extensions))
	e.BinaryHeader(h)
	return &Body{Header: h, Data: e.Data}
}

func renderData(e *event.Event) *Body {
	switch {
	case e.Data == nil:
		return &Body{Header: headerNone}
	case e.DataContentType == "":
		return &Body{Header: headerJSON, Data: e.Data}
	}
	return &Body{Header: http.Header{"Content-Type": {e.DataContentType}}, Data: e.Data}
}

func renderStandardWebhooks(e *event.Event) *Body {
	b := make([]byte, 0, len(e.Data)+envelopeBytes)
	b = append(b, `{"type":`...)
	b = event.AppendJSONString(b, e.Type)
	if !e.Time.IsZero() {
		b = append(b, `,"timestamp":"`...)
		b = e.Time.UTC().AppendFormat(b, time.RFC3339Nano)
		b = append(b, '"')
	}
	b = append(b, `,"data":`...)
	switch {
	case e.Data == nil:
		b = append(b, "null"...)
	case e.IsJSON():
		b = append(b, e.Data...)
	case e.IsText() && utf8.Valid(e.Data):
		b = event.AppendJSONString(b, string(e.Data))
	default:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, e.Data)
		b = append(b, '"')
	}
	return &Body{Header: headerJSON, Data: append(b, '}')}
}
