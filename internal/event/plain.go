// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/rand"
	"time"
)

// FromJSON makes an event of a plain JSON body, which becomes its data; type, id, source and subject
// come from outside of the body. Without an id a random one is made, so that such an event is never
// taken for a repetition; without a source it is the path at which the namespace takes events. The
// time is now. The event keeps body.
func FromJSON(namespace, eventType string, body []byte, id, source, subject string, now time.Time) (*Event, error) {
	if len(body) == 0 {
		return nil, malformed("data", "is missing; send a JSON body")
	}
	if id == "" {
		id = rand.Text()
	}
	if source == "" {
		source = "/v1/namespaces/" + namespace + "/events"
	}
	e := &Event{
		Namespace: namespace, ID: id, Source: source, Type: eventType, Subject: subject,
		DataContentType: mediaJSON, Time: now.UTC(), Data: body,
	}
	if err := e.Validate(); err != nil {
		return nil, err
	}
	return e, nil
}
