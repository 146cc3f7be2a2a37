// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// data is the data of an event.
type data struct {
	Reference
	Object    map[string]any `json:"object,omitempty"`
	Patch     Patch          `json:"patch,omitzero"`
	Changed   []string       `json:"changed,omitzero"`
	Truncated *truncation    `json:"truncated,omitempty"`
}

// truncation says what is missing from data, and why.
type truncation struct {
	Form   Form   `json:"form"`
	Reason string `json:"reason"`
}

// The reasons of a truncation.
const (
	tooLarge = "TooLarge"
	tooDeep  = "TooDeep"
	notKept  = "NotKept"
)

// depth returns how deep the data nests. A value lies in a step of the patch of the data.
func (d *data) depth() int {
	deepest := 1 + depthOf(d.Object)
	for _, step := range d.Patch {
		deepest = max(deepest, 3+depthOf(step.Value))
	}
	return deepest
}

// encodeData returns the data in the form that was asked for; the reference in its place, and true, where that
// cannot be sent. It leaves in c.Changed what the patch changes.
func (c *Change) encodeData() ([]byte, bool, error) {
	full := c.data()
	if c.Form == FormPatch {
		c.Changed = full.Changed
	}
	reason := tooDeep
	if c.Form == FormObject && full.Object == nil && c.Operation != Deleted {
		reason = notKept
	} else if full.depth() <= event.MaxDepth {
		b, err := encode(full)
		if err != nil {
			return nil, false, fmt.Errorf("encode %s %q: %w", c.Resource.Kind, c.Object.Name, err)
		}
		if len(b) <= MaxDataBytes {
			return b, false, nil
		}
		reason = tooLarge
	}
	b, err := encodeReference(c.Object, &truncation{Form: c.Form, Reason: reason})
	return b, true, err
}

func (c *Change) data() *data {
	d := &data{Reference: c.Object}
	switch c.Form {
	case FormObject:
		d.Object = c.state()
	case FormPatch:
		switch {
		case c.New != nil && c.Old != nil:
			d.Patch = append(Patch{}, Diff(c.Old, c.New)...)
			d.Changed = ChangedPaths(d.Patch)
		case c.New != nil:
			d.Object = c.New
		}
	case FormReference:
	}
	return d
}

// encodeReference leaves the labels out where they alone are too much.
func encodeReference(r Reference, t *truncation) ([]byte, error) {
	b, err := encode(data{Reference: r, Truncated: t})
	if err == nil && len(b) > MaxDataBytes {
		r.Labels = nil
		b, err = encode(data{Reference: r, Truncated: t})
	}
	return b, err
}
