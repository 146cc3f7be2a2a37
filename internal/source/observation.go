// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"strconv"
	"time"

	"github.com/posthorn-dev/posthorn/internal/change"
)

// observation is one look at an object: a state of it, or that it is gone.
type observation struct {
	ref     change.Reference
	version uint64
	// object is the state as it came; nil where one is gone whose last state nobody saw.
	object   map[string]any
	managers change.Managers
	gone     bool
	// added says that the watch showed the object as one that is new to it.
	added bool
	// net says that the difference was found by comparing.
	net bool
	at  time.Time

	views  objects
	prints map[string]change.Fingerprint
}

// look returns the observation of an object as it came from the API server.
func look(object map[string]any, gone, net bool, at time.Time) *observation {
	ref := change.ReferenceOf(object)
	return &observation{
		ref: ref, version: number(ref.ResourceVersion), object: object, managers: change.ManagersOf(object),
		gone: gone, net: net, at: at,
	}
}

// number returns a resource version as a number, by which those of one resource are compared; 0 for one of an
// aggregated API that writes others.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// formatVersion is the reverse of number.
func formatVersion(version uint64) string { return strconv.FormatUint(version, 10) }

// view returns what a redaction leaves of the object; nil where there is no object.
func (o *observation) view(r change.Redaction) map[string]any {
	if o.object == nil {
		return nil
	}
	v, ok := o.views[r.Key()]
	if !ok {
		v = change.Sanitize(o.object, r)
		if o.views == nil {
			o.views = objects{}
		}
		o.views[r.Key()] = v
	}
	return v
}

// print returns the fingerprint of what a redaction leaves of the object.
func (o *observation) print(r change.Redaction) change.Fingerprint {
	f, ok := o.prints[r.Key()]
	if !ok {
		f = change.FingerprintOf(o.view(r))
		if o.prints == nil {
			o.prints = map[string]change.Fingerprint{}
		}
		o.prints[r.Key()] = f
	}
	return f
}
