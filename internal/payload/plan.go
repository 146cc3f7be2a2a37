// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"fmt"
	"net/http"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/filter"
)

// Body is what a request carries. It may be shared between deliveries and must not be changed.
type Body struct {
	// Header holds Content-Type, where there is data, and the ce-* headers of
	// FormatCloudEventsBinary. Keys are canonical.
	Header http.Header
	// Data is the body; empty for an event without data in a format that consists of it.
	Data []byte
}

// Plan makes the bodies of one subscription. It is immutable and safe for concurrent use.
type Plan struct {
	format    Format
	render    func(*event.Event) *Body
	transform *filter.Transform
}

// NewPlan compiles a plan. An empty format is FormatCloudEvents; an empty transform leaves the data
// as it is. An error is a *filter.Error whose Field is "format" or "transform".
func NewPlan(format Format, transform string) (*Plan, error) {
	if format == "" {
		format = FormatCloudEvents
	}
	render, ok := renderers[format]
	if !ok {
		return nil, &filter.Error{Field: "format", Message: fmt.Sprintf("must be one of %v", Formats())}
	}
	p := &Plan{format: format, render: render}
	if transform != "" {
		t, err := filter.CompileTransform(transform)
		if err != nil {
			return nil, err
		}
		p.transform = t
	}
	return p, nil
}

// Format returns the plan's format.
func (p *Plan) Format() Format { return p.format }

// Shared reports whether the body depends on event and format alone, because there is no transform:
// then one rendering serves all subscriptions of that format.
func (p *Plan) Shared() bool { return p.transform == nil }

// Render makes the body for an event. Only a transform can fail: because the event lacks what it
// reads (filter.ErrMissing), because it costs too much or fails on this event, or because its result
// is ErrTooLarge or ErrNotJSON. The same event fails always, so that no retry helps.
func (p *Plan) Render(in *filter.Input) (*Body, error) {
	if p.transform == nil {
		return p.render(in.Event()), nil
	}
	result, err := p.transform.Eval(in)
	if err != nil {
		return nil, fmt.Errorf("evaluate transform: %w", err)
	}
	data, err := appendJSON(nil, result)
	if err != nil {
		return nil, fmt.Errorf("encode transform: %w", err)
	}
	return p.render(withData(in.Event(), data)), nil
}

// withData returns a copy of the event with other data, which is JSON. The schema described the data
// that is replaced, and goes with it.
func withData(e *event.Event, data []byte) *event.Event {
	replaced := *e
	replaced.Data = data
	replaced.DataContentType = mediaJSON
	replaced.DataSchema = ""
	return &replaced
}
