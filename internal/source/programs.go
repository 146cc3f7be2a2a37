// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/when"
)

// programs are the compiled expressions of the sources: each is compiled once for each kind, and anew when the source
// or what the API server publishes of the kind changes. It is used by one goroutine.
type programs struct {
	known map[programKey]*compiled
}

type programKey struct {
	source *compile.EventSource
	kind   change.Resource
}

type compiled struct {
	schema  *when.Schema
	program *when.Program
	err     error
	used    bool
}

// of returns the expression of a source for a kind; nil where it has none.
func (p *programs) of(s *compile.EventSource, kind change.Resource, fields *when.Schema) (*when.Program, error) {
	if s.When == nil {
		return nil, nil
	}
	k := programKey{s, kind}
	c := p.known[k]
	if c == nil || c.schema != fields {
		c = &compiled{schema: fields}
		c.program, c.err = when.Compile(s.When.Expression, fields)
		p.known[k] = c
	}
	c.used = true
	return c.program, c.err
}

// sweep forgets what was not asked for since the last sweep.
func (p *programs) sweep() {
	for k, c := range p.known {
		if !c.used {
			delete(p.known, k)
		}
		c.used = false
	}
}
