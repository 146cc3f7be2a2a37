// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package logapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// Limits of a page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// outcomes are the values of the parameter outcome.
var outcomes = []delivery.Outcome{
	delivery.OutcomeDelivered, delivery.OutcomeRetry, delivery.OutcomeParked, delivery.OutcomeDeadLettered,
}

// parameters are the setters of a query's parameters. The time is that of the request.
var parameters = map[string]func(q *deliverylog.Query, value string, now time.Time) error{
	"subscription": func(q *deliverylog.Query, value string, _ time.Time) error {
		q.Subscription = value
		return nil
	},
	"endpoint": func(q *deliverylog.Query, value string, _ time.Time) error {
		q.Endpoint = value
		return nil
	},
	"event": func(q *deliverylog.Query, value string, _ time.Time) error {
		q.EventID = value
		return nil
	},
	"cursor": func(q *deliverylog.Query, value string, _ time.Time) error {
		q.Cursor = value
		return nil
	},
	"outcome": setOutcome,
	"limit":   setLimit,
	"since": func(q *deliverylog.Query, value string, now time.Time) (err error) {
		q.Since, err = parseTime("since", value, now)
		return err
	},
	"until": func(q *deliverylog.Query, value string, now time.Time) (err error) {
		q.Until, err = parseTime("until", value, now)
		return err
	},
}

// parseQuery reads the parameters of a page. One that is unknown, repeated or empty is refused: a
// filter that was silently ignored would show what was not asked for.
func parseQuery(namespace, rawQuery string, now time.Time) (deliverylog.Query, error) {
	q := deliverylog.Query{Namespace: namespace, Limit: defaultLimit}
	values, err := parameterValues(rawQuery)
	if err != nil {
		return q, err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		set, ok := parameters[name]
		if !ok {
			return q, badParameter(name, "is unknown; there are "+strings.Join(slices.Sorted(maps.Keys(parameters)), ", "))
		}
		if err := set(&q, values[name], now); err != nil {
			return q, err
		}
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return q, badParameter("until", "must lie after since")
	}
	return q, nil
}

// parameterValues returns the one value of each parameter.
func parameterValues(rawQuery string) (map[string]string, error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, problem.BadRequest.New("The query string is malformed: percent-encode its values.")
	}
	single := make(map[string]string, len(values))
	for name, v := range values {
		if len(v) != 1 || v[0] == "" {
			return nil, badParameter(name, "must have one value; leave it out otherwise")
		}
		single[name] = v[0]
	}
	return single, nil
}

// noParameters refuses a query string where there are no parameters.
func noParameters(rawQuery string) error {
	values, err := parameterValues(rawQuery)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		return badParameter(name, "is unknown; there are none at this path")
	}
	return nil
}

// circuitsNamespace returns the namespace of a request for circuits: that of the path, or of the
// parameter; empty for all.
func circuitsNamespace(r *http.Request) (string, error) {
	if namespace := r.PathValue("namespace"); namespace != "" {
		return namespace, noParameters(r.URL.RawQuery)
	}
	values, err := parameterValues(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if name != "namespace" {
			return "", badParameter(name, "is unknown; there is namespace")
		}
	}
	return values["namespace"], nil
}

func setOutcome(q *deliverylog.Query, value string, _ time.Time) error {
	q.Outcome = delivery.Outcome(value)
	if !slices.Contains(outcomes, q.Outcome) {
		return badParameter("outcome", fmt.Sprintf("must be one of %v", outcomes))
	}
	return nil
}

func setLimit(q *deliverylog.Query, value string, _ time.Time) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxLimit {
		return badParameter("limit", "must be a number from 1 to 1000")
	}
	q.Limit = n
	return nil
}

// parseTime reads a time (RFC 3339), or how long ago it was (15m).
func parseTime(name, value string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, value); err == nil {
		return t, nil
	}
	if ago, err := time.ParseDuration(value); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, badParameter(name, "must be a time such as 2026-01-02T15:04:05Z, or how long ago it was, such as 15m")
}

// maxNameShown bounds what a message repeats of a name that the client chose.
const maxNameShown = 40

func badParameter(name, rule string) error {
	if len(name) > maxNameShown {
		name = strings.ToValidUTF8(name[:maxNameShown], "") + "…"
	}
	return problem.BadRequest.New(fmt.Sprintf("The parameter %q %s.", name, rule)).About(name)
}
