// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

func (d *demo) breakReceiver(ctx context.Context) error {
	if err := d.tellReceiver(ctx, "fail"); err != nil {
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
	return d.showAttempts(ctx, event, func(all []attempt) error {
		for _, a := range all {
			if a.StatusCode == 500 && !a.NextAttemptTime.IsZero() && len(all) > 1 {
				return nil
			}
		}
		return fmt.Errorf("it does not hold the attempts that failed, but %v", all)
	})
}

// postWhileOpen shows that the circuit is open and what that means for other events.
func (d *demo) postWhileOpen(ctx context.Context) error {
	var event string
	for range 2 {
		var err error
		if event, err = d.post(ctx); err != nil {
			return err
		}
	}
	err := d.showAttempts(ctx, event, func(all []attempt) error {
		if len(all) > 0 && all[len(all)-1].Attempt == 0 {
			return nil
		}
		return fmt.Errorf("it does not begin without an attempt, but with %v", all)
	})
	if err != nil {
		return err
	}
	return d.showCircuit(ctx)
}

// showCircuit prints the state of the endpoint's circuit, which must not be closed.
func (d *demo) showCircuit(ctx context.Context) error {
	answer, err := d.curl(ctx, call{
		url: "http://" + ingestAddress + "/v1/namespaces/" + tenant + "/circuits", token: "SUPPORT_TOKEN",
	})
	if err != nil {
		return err
	}
	var circuits struct {
		Items []struct {
			Endpoint, State     string
			ConsecutiveFailures int
		}
	}
	if err := json.Unmarshal(answer, &circuits); err != nil {
		return fmt.Errorf("parse circuits: %w", err)
	}
	open := false
	for _, c := range circuits.Items {
		d.output(fmt.Appendf(nil, "%s: %s, %d failures in a row", c.Endpoint, c.State, c.ConsecutiveFailures))
		open = open || c.Endpoint == tenant+"/billing" && c.State != "Closed"
	}
	if !open {
		return errors.New("the circuit of billing is closed")
	}
	return nil
}

func (d *demo) repairReceiver(ctx context.Context) error {
	if err := d.tellReceiver(ctx, "recover"); err != nil {
		return err
	}
	for n := 2; n <= d.posted; n++ {
		if err := d.awaitDelivered(ctx, fmt.Sprintf("order-%d", n)); err != nil {
			return err
		}
	}
	return d.awaitCircuit(ctx, "True")
}

// tellReceiver tells the receiver to fail or to recover.
func (d *demo) tellReceiver(ctx context.Context, what string) error {
	answer, err := d.curl(ctx, call{method: "POST", url: "http://" + receiverAddress + "/control/" + what})
	d.output(answer)
	return err
}

// awaitCircuit waits until the endpoint's condition CircuitClosed has a status.
func (d *demo) awaitCircuit(ctx context.Context, status string) error {
	return d.kubectl(ctx, "wait", "-n", tenant, "--for=condition=CircuitClosed="+status, "webhookendpoint/billing",
		"--timeout=60s")
}
