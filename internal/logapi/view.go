// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package logapi

import (
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
)

// mediaEvent is the content type of an event.
const mediaEvent = "application/cloudevents+json"

// The views are what clients see: a form of its own, so that it stays when the log's changes.

// pageView is one page of records.
type pageView struct {
	Items []recordView `json:"items"`
	// Next is the cursor of the next page; absent on the last one.
	Next string `json:"next,omitempty"`
	// Unreadable counts what is missing, since it could not be read; absent when nothing is.
	Unreadable int `json:"unreadable,omitempty"`
}

// recordView is one attempt, or a step without one.
type recordView struct {
	Time                 time.Time `json:"time"`
	DeliveryID           string    `json:"deliveryID"`
	EventID              string    `json:"eventID"`
	EventType            string    `json:"eventType"`
	Subscription         string    `json:"subscription"`
	Endpoint             string    `json:"endpoint"`
	Attempt              int       `json:"attempt"`
	Outcome              string    `json:"outcome"`
	StatusCode           int       `json:"statusCode,omitempty"`
	Reason               string    `json:"reason,omitempty"`
	Message              string    `json:"message,omitempty"`
	Response             string    `json:"response,omitempty"`
	DurationMilliseconds float64   `json:"durationMilliseconds"`
	NextAttemptTime      time.Time `json:"nextAttemptTime,omitzero"`
	DeadLetterReason     string    `json:"deadLetterReason,omitempty"`
	// Kind is dead-letter for a delivery to a dead-letter endpoint; absent otherwise.
	Kind string `json:"kind,omitempty"`
}

func newPageView(page deliverylog.Page) pageView {
	view := pageView{Items: make([]recordView, len(page.Items)), Next: page.Next, Unreadable: page.Unreadable}
	for i := range page.Items {
		view.Items[i] = newRecordView(&page.Items[i])
	}
	return view
}

func newRecordView(r *delivery.Record) recordView {
	return recordView{
		Time:                 r.Time.UTC(),
		DeliveryID:           r.DeliveryID,
		EventID:              r.EventID,
		EventType:            r.EventType,
		Subscription:         r.Subscription.String(),
		Endpoint:             r.Endpoint.String(),
		Attempt:              r.Attempt,
		Outcome:              string(r.Outcome),
		StatusCode:           r.StatusCode,
		Reason:               string(r.Reason),
		Message:              r.Message,
		Response:             r.Response,
		DurationMilliseconds: float64(r.Duration.Microseconds()) / 1000,
		NextAttemptTime:      r.NextAttempt.UTC(),
		DeadLetterReason:     string(r.DeadLetter),
		Kind:                 string(r.Kind),
	}
}

// circuitsView is the list of circuits.
type circuitsView struct {
	Items []circuitView `json:"items"`
}

// circuitView is one circuit.
type circuitView struct {
	Endpoint            string        `json:"endpoint"`
	Scope               string        `json:"scope"`
	State               breaker.State `json:"state"`
	Since               time.Time     `json:"since"`
	ConsecutiveFailures int           `json:"consecutiveFailures"`
	OpenForSeconds      float64       `json:"openForSeconds,omitempty"`
	NextProbeTime       time.Time     `json:"nextProbeTime,omitzero"`
	LastSuccessTime     time.Time     `json:"lastSuccessTime,omitzero"`
}

func newCircuitsView(circuits []CircuitView) circuitsView {
	view := circuitsView{Items: make([]circuitView, len(circuits))}
	for i, c := range circuits {
		view.Items[i] = circuitView{
			Endpoint:            c.Endpoint.String(),
			Scope:               c.Scope,
			State:               c.State,
			Since:               c.Since.UTC(),
			ConsecutiveFailures: c.ConsecutiveFailures,
			OpenForSeconds:      c.OpenFor.Seconds(),
			NextProbeTime:       c.NextProbe.UTC(),
			LastSuccessTime:     c.LastSuccess.UTC(),
		}
	}
	return view
}
