// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// attempt is what the delivery log tells of one attempt, or of a step without one.
type attempt struct {
	Attempt, StatusCode int
	Outcome, Reason     string
	NextAttemptTime     time.Time
}

// String is a line about it.
func (a attempt) String() string {
	line := fmt.Sprintf("attempt %d: %s", a.Attempt, a.Outcome)
	if a.Attempt == 0 {
		line = "no attempt yet: " + a.Outcome
	}
	if a.StatusCode != 0 {
		line += fmt.Sprintf(", the receiver answered %d", a.StatusCode)
	}
	if a.Reason != "" {
		line += " (" + a.Reason + ")"
	}
	if !a.NextAttemptTime.IsZero() {
		line += ", next at " + a.NextAttemptTime.Local().Format(time.TimeOnly)
	}
	return line
}

// showAttempts prints what the delivery log holds about an event, newest first, as soon as it is what is
// wanted. Records are stored in batches, a few milliseconds after the attempt.
func (d *demo) showAttempts(ctx context.Context, event string, wanted func([]attempt) error) error {
	if d.tokens["SUPPORT_TOKEN"] == "" {
		if err := d.makeToken(ctx, "SUPPORT_TOKEN", "support"); err != nil {
			return err
		}
	}
	log := call{
		url: "http://" + ingestAddress + "/v1/namespaces/" + tenant + "/deliveries?event=" + event, token: "SUPPORT_TOKEN",
	}
	err := d.await(ctx, "the delivery log of "+event, func(ctx context.Context) error {
		answer, err := d.request(ctx, log)
		if err != nil {
			return err
		}
		attempts, err := parseAttempts(answer)
		if err != nil {
			return err
		}
		return wanted(attempts)
	})
	if err != nil {
		return err
	}
	answer, err := d.curl(ctx, log)
	if err != nil {
		return err
	}
	attempts, err := parseAttempts(answer)
	for _, a := range attempts {
		d.output([]byte(a.String()))
	}
	return err
}

func parseAttempts(answer []byte) ([]attempt, error) {
	var page struct{ Items []attempt }
	if err := json.Unmarshal(answer, &page); err != nil {
		return nil, fmt.Errorf("parse delivery log: %w", err)
	}
	return page.Items, nil
}
