// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"net/http"
	"time"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// message is one request whose bytes are read.
type message struct {
	target
	mode   mode
	header http.Header
	body   []byte
	// origin is who sent it, as events keep it.
	origin string
	// key is the Idempotency-Key; empty without one.
	key string
}

// parse returns the message's events, which keep slices of its body.
func (m *message) parse() ([]*event.Event, error) {
	events, err := m.parseMode()
	if err != nil {
		return nil, refused(err)
	}
	for _, e := range events {
		e.Origin = m.origin
	}
	return events, nil
}

func (m *message) parseMode() ([]*event.Event, error) {
	var e *event.Event
	var err error
	switch m.mode {
	case modeBatch:
		return event.ParseBatch(m.namespace, m.body)
	case modeStructured:
		e, err = event.ParseStructured(m.namespace, m.body)
	case modeBinary:
		e, err = event.ParseBinary(m.namespace, m.header, m.body)
	default:
		e, err = m.parsePlain()
	}
	if err != nil {
		return nil, err
	}
	return []*event.Event{e}, nil
}

// parsePlain makes an event of plain JSON. With an Idempotency-Key the id follows from the key, so
// that a repetition is the same event even if the key itself was not remembered.
func (m *message) parsePlain() (*event.Event, error) {
	eventType := m.eventType
	if eventType == "" {
		eventType = m.header.Get(HeaderType)
	}
	id := m.header.Get(HeaderID)
	if id == "" && m.key != "" {
		id = idOfKey(m.namespace, m.key, 0)
	}
	for _, name := range [...]string{HeaderType, HeaderID, HeaderSource, HeaderSubject} {
		if len(m.header[name]) > 1 {
			return nil, problem.BadRequest.New("Send the header " + name + " once.").About(name)
		}
	}
	return event.FromJSON(m.namespace, eventType, m.body, id,
		m.header.Get(HeaderSource), m.header.Get(HeaderSubject), time.Now())
}
