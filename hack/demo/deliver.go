// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// delivery is what the receiver tells of one request.
type delivery struct {
	Time                          time.Time
	WebhookID, EventID, EventType string
	Verified                      bool
	Status                        int
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
	answer, err := d.curl(ctx, call{
		url:   "http://" + ingestAddress + "/v1/namespaces/" + tenant + "/events",
		token: "TOKEN", kind: "application/cloudevents+json",
		body: fmt.Sprintf(
			`{"specversion":"1.0","id":%q,"source":"/shop","type":"com.example.order.created","data":{"total":%d}}`,
			id, 120*d.posted),
	})
	d.output(answer)
	return id, err
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

func (d *demo) breakReceiver(ctx context.Context) error {
	answer, err := d.curl(ctx, call{method: "POST", url: "http://" + receiverAddress + "/control/fail"})
	d.output(answer)
	if err != nil {
		return err
	}
	event, err := d.post(ctx)
	if err != nil {
		return err
	}
	err = d.await(ctx, event+" is tried again", func(ctx context.Context) error {
		requests, err := d.requestsOf(ctx, event)
		if err == nil && len(requests) < 2 {
			err = fmt.Errorf("%d requests", len(requests))
		}
		return err
	})
	if err != nil {
		return err
	}
	d.say("That was the retry: the same id, signed anew.")
	if err := d.awaitCircuit(ctx, "False"); err != nil {
		return err
	}
	return d.showAttempts(ctx, event)
}

// awaitCircuit waits until the endpoint's condition CircuitClosed has a status.
func (d *demo) awaitCircuit(ctx context.Context, status string) error {
	return d.kubectl(ctx, "wait", "-n", tenant, "--for=condition=CircuitClosed="+status, "webhookendpoint/billing", "--timeout=60s")
}

// attempt is what the delivery log tells of one attempt.
type attempt struct {
	Attempt, StatusCode int
	Outcome, Reason     string
	NextAttemptTime     time.Time
}

// showAttempts prints what the delivery log holds about an event, newest first.
func (d *demo) showAttempts(ctx context.Context, event string) error {
	if d.tokens["SUPPORT_TOKEN"] == "" {
		if err := d.makeToken(ctx, "SUPPORT_TOKEN", "support"); err != nil {
			return err
		}
	}
	answer, err := d.curl(ctx, call{
		url: "http://" + ingestAddress + "/v1/namespaces/" + tenant + "/deliveries?event=" + event, token: "SUPPORT_TOKEN",
	})
	if err != nil {
		return err
	}
	var page struct{ Items []attempt }
	if err := json.Unmarshal(answer, &page); err != nil {
		return fmt.Errorf("parse delivery log: %w", err)
	}
	if len(page.Items) < 2 {
		return fmt.Errorf("the delivery log holds %d attempts of %s: %s", len(page.Items), event, answer)
	}
	for _, a := range page.Items {
		line := fmt.Sprintf("attempt %d: %s, %d %s", a.Attempt, a.Outcome, a.StatusCode, a.Reason)
		if !a.NextAttemptTime.IsZero() {
			line += ", next " + a.NextAttemptTime.Local().Format(time.TimeOnly)
		}
		d.output([]byte(line))
	}
	return nil
}

func (d *demo) postWhileOpen(ctx context.Context) error {
	for range 2 {
		if _, err := d.post(ctx); err != nil {
			return err
		}
	}
	answer, err := d.curl(ctx, call{
		url: "http://" + ingestAddress + "/v1/namespaces/" + tenant + "/circuits", token: "SUPPORT_TOKEN",
	})
	if err != nil {
		return err
	}
	d.output(answer)
	var circuits struct {
		Items []struct{ Endpoint, State string }
	}
	if err := json.Unmarshal(answer, &circuits); err != nil {
		return fmt.Errorf("parse circuits: %w", err)
	}
	for _, c := range circuits.Items {
		if c.Endpoint == tenant+"/billing" && c.State != "Closed" {
			return nil
		}
	}
	return errors.New("the circuit of billing is not open")
}

func (d *demo) repairReceiver(ctx context.Context) error {
	answer, err := d.curl(ctx, call{method: "POST", url: "http://" + receiverAddress + "/control/recover"})
	d.output(answer)
	if err != nil {
		return err
	}
	for n := 2; n <= d.posted; n++ {
		if err := d.awaitDelivered(ctx, fmt.Sprintf("order-%d", n)); err != nil {
			return err
		}
	}
	return d.awaitCircuit(ctx, "True")
}
