// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"mime"
	"net/http"
	"strings"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// Headers of plain JSON requests. All but the type are optional.
const (
	HeaderType    = "Posthorn-Event-Type"
	HeaderSource  = "Posthorn-Event-Source"
	HeaderSubject = "Posthorn-Event-Subject"
	HeaderID      = "Posthorn-Event-Id"
)

// mode is the form in which a request carries events.
type mode byte

const (
	modeBinary mode = iota + 1
	modeStructured
	modeBatch
	modePlain
)

// limit is how long a body of the mode may be.
func (m mode) limit() int64 {
	if m == modeBatch {
		return event.MaxBatchBytes
	}
	return event.MaxEventBytes
}

// Media types that decide the mode.
const (
	mediaJSON       = "application/json"
	mediaEvent      = "application/cloudevents+json"
	mediaBatch      = "application/cloudevents-batch+json"
	mediaCloudEvent = "application/cloudevents"
)

// modeOf decides the mode by content type and headers, as the CloudEvents HTTP binding does: a
// content type of CloudEvents, else ce- headers, else plain JSON.
func modeOf(t target, h http.Header) (mode, error) {
	if err := checkEncoding(h); err != nil {
		return 0, err
	}
	media, err := mediaType(h)
	if err != nil {
		return 0, err
	}
	m := modePlain
	switch {
	case media == mediaEvent:
		m = modeStructured
	case media == mediaBatch:
		m = modeBatch
	case strings.HasPrefix(media, mediaCloudEvent):
		return 0, unsupported("Of the formats of CloudEvents only JSON is taken")
	case isBinary(h):
		return modeBinary, checkTypeless(t, h)
	}
	if err := checkCharset(h); err != nil {
		return 0, err
	}
	if m != modePlain {
		return m, checkTypeless(t, h)
	}
	return m, checkPlain(t, h, media)
}

// checkEncoding refuses compressed bodies: their size is not known before they are unpacked.
func checkEncoding(h http.Header) error {
	for _, v := range h["Content-Encoding"] {
		if v != "" && !strings.EqualFold(v, "identity") {
			return kindEncoding.New("Bodies are taken as they are: send this one without Content-Encoding.").
				With("Accept-Encoding", "identity").About("Content-Encoding")
		}
	}
	return nil
}

// mediaType returns the content type without parameters, in lower case.
func mediaType(h http.Header) (string, error) {
	values := h["Content-Type"]
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", problem.BadRequest.New("Send one Content-Type.").About("Content-Type")
	}
	media, _, _ := strings.Cut(values[0], ";")
	return strings.ToLower(strings.TrimSpace(media)), nil
}

// checkCharset refuses JSON in anything but UTF-8 (RFC 8259, section 8.1).
func checkCharset(h http.Header) error {
	contentType := h.Get("Content-Type")
	if !strings.Contains(contentType, ";") {
		return nil
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return problem.BadRequest.New("The Content-Type is malformed: send one such as application/json.").About("Content-Type")
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return unsupported("JSON is taken in UTF-8 only")
	}
	return nil
}

// isBinary reports whether there is any header of a required context attribute. One that lacks the
// others is a malformed event, not plain JSON.
func isBinary(h http.Header) bool {
	for _, name := range [...]string{"Ce-Specversion", "Ce-Id", "Ce-Type", "Ce-Source"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// checkTypeless refuses a CloudEvent whose type is said twice.
func checkTypeless(t target, h http.Header) error {
	if t.eventType != "" || h.Get(HeaderType) != "" {
		return problem.BadRequest.New("A CloudEvent has its type in itself: post it to " + Pattern +
			" without " + HeaderType + ".").About("type")
	}
	return nil
}

// checkPlain refuses what is neither a CloudEvent nor JSON with a type.
func checkPlain(t target, h http.Header, media string) error {
	if media != mediaJSON && !strings.HasSuffix(media, "+json") {
		return unsupported("The request is no CloudEvent and its content type is not JSON")
	}
	header := h.Get(HeaderType)
	if header == "" && t.eventType == "" {
		return problem.BadRequest.New("The event has no type: send a CloudEvent, name the type in the header " +
			HeaderType + ", or post to " + PatternWithType + ".").About("type")
	}
	if header != "" && t.eventType != "" && header != t.eventType {
		return problem.BadRequest.New("Path and " + HeaderType + " name different types: send one of the two.").About("type")
	}
	return nil
}

// unsupported answers 415 and names what is taken.
func unsupported(what string) error {
	const accepted = mediaEvent + ", " + mediaBatch + ", " + mediaJSON
	return kindMediaType.New(what+": send "+mediaEvent+", "+mediaBatch+", ce- headers with any content type, or "+
		mediaJSON+" with a type.").With("Accept-Post", accepted).About("Content-Type")
}
