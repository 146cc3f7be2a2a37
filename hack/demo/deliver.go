// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// delivery is what the receiver tells of one request.
type delivery struct {
	Time                                      time.Time
	Path, WebhookID, EventID, EventType, Text string
	Verified                                  bool
	Status                                    int
}

// received asks the receiver for what it got.
func (d *demo) received(ctx context.Context) ([]delivery, error) {
	answer, err := d.request(ctx, call{url: "http://" + receiverAddress + "/requests"})
	if err != nil {
		return nil, err
	}
	var all []delivery
	if err := json.Unmarshal(answer, &all); err != nil {
		return nil, fmt.Errorf("parse answer of receiver: %w", err)
	}
	return all, nil
}

// requestsOf asks the receiver for the requests with one event. Each must be verified, with the same id.
func (d *demo) requestsOf(ctx context.Context, event string) ([]delivery, error) {
	all, err := d.received(ctx)
	if err != nil {
		return nil, err
	}
	var found []delivery
	for _, one := range all {
		if one.EventID != event {
			continue
		}
		if !one.Verified {
			return nil, fmt.Errorf("a request with %s had no valid signature", event)
		}
		if len(found) > 0 && one.WebhookID != found[0].WebhookID {
			return nil, fmt.Errorf("the requests with %s have several ids", event)
		}
		found = append(found, one)
	}
	return found, nil
}

// awaitDelivered returns once the receiver has taken the event, verified.
func (d *demo) awaitDelivered(ctx context.Context, event string) error {
	return d.await(ctx, event+" arrives", func(ctx context.Context) error {
		requests, err := d.requestsOf(ctx, event)
		if err != nil {
			return err
		}
		if len(requests) == 0 || requests[len(requests)-1].Status != 200 {
			return fmt.Errorf("the receiver has not taken it in %d requests", len(requests))
		}
		return nil
	})
}

// post posts the next order and returns the event's id.
func (d *demo) post(ctx context.Context) (string, error) {
	d.posted++
	id := fmt.Sprintf("order-%d", d.posted)
	return id, d.postBody(ctx, fmt.Sprintf(
		`{"specversion":"1.0","id":%q,"source":"/shop","type":"com.example.order.created","data":{"total":%d}}`,
		id, 120*d.posted))
}

// postBody posts one event, as the shop.
func (d *demo) postBody(ctx context.Context, body string) error {
	answer, err := d.curl(ctx, call{
		url:   "http://" + ingestAddress + "/v1/namespaces/" + tenant + "/events",
		token: "TOKEN", kind: "application/cloudevents+json", body: body,
	})
	d.output(answer)
	return err
}

func (d *demo) postEvent(ctx context.Context) error {
	if err := d.makeToken(ctx, "TOKEN", "shop"); err != nil {
		return err
	}
	event, err := d.post(ctx)
	if err != nil {
		return err
	}
	return d.awaitDelivered(ctx, event)
}

// postAlert posts an event of another type. It goes where a URL in a Secret says, as the text that the
// subscription's transform makes of it, and nowhere else.
func (d *demo) postAlert(ctx context.Context) error {
	err := d.postBody(ctx,
		`{"specversion":"1.0","id":"alert-1","source":"/shop","type":"com.example.alert.fired","data":{"name":"disk","state":"firing"}}`)
	if err != nil {
		return err
	}
	return d.await(ctx, "the alert arrives", func(ctx context.Context) error {
		all, err := d.received(ctx)
		if err != nil {
			return err
		}
		var texts []string
		for _, one := range all {
			if one.EventID == "alert-1" || one.Path == "/slack" && one.Status != 200 {
				return fmt.Errorf("the receiver got %+v", one)
			}
			if one.Path == "/slack" {
				texts = append(texts, one.Text)
			}
		}
		if len(texts) != 1 || texts[0] != "Alert disk is firing" {
			return fmt.Errorf("the receiver has the texts %q", texts)
		}
		return nil
	})
}
