// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"strings"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/filter"
)

// index finds the subscriptions of one namespace by event type. A lookup costs one access to a map
// for each segment of the type, however many subscriptions there are.
type index struct {
	all      []*delivery.Subscription
	exact    map[string][]*delivery.Subscription
	prefixes *node
}

// node is one segment of the prefix patterns: those of com.example.* hang below com. and example..
type node struct {
	here     []*delivery.Subscription
	children map[string]*node
}

func newIndex() *index {
	return &index{exact: map[string][]*delivery.Subscription{}, prefixes: &node{}}
}

// add puts a subscription in the place of each of its patterns.
func (x *index) add(s *delivery.Subscription) {
	for _, p := range disjoint(s.Match.Types()) {
		switch {
		case p.All:
			x.all = append(x.all, s)
		case p.Prefix != "":
			n := x.prefixes.at(p.Prefix)
			n.here = append(n.here, s)
		default:
			x.exact[p.Exact] = append(x.exact[p.Exact], s)
		}
	}
}

// lookup calls visit with the subscriptions whose patterns match the type. None comes twice, since
// the patterns of one subscription are disjoint here.
func (x *index) lookup(eventType string, visit func([]*delivery.Subscription)) {
	if found := x.exact[eventType]; found != nil {
		visit(found)
	}
	n, rest := x.prefixes, eventType
	for n.children != nil {
		i := strings.IndexByte(rest, '.') + 1
		// A prefix matches only before something more, so that a dot at the end leads nowhere.
		if i == 0 || i == len(rest) {
			break
		}
		if n = n.children[rest[:i]]; n == nil {
			break
		}
		if n.here != nil {
			visit(n.here)
		}
		rest = rest[i:]
	}
	if x.all != nil {
		visit(x.all)
	}
}

// at returns the node of a prefix, made where it is missing. Every segment of a prefix ends in a dot.
func (n *node) at(prefix string) *node {
	for segment := range strings.SplitAfterSeq(prefix, ".") {
		if segment == "" {
			break
		}
		child := n.children[segment]
		if child == nil {
			if n.children == nil {
				n.children = map[string]*node{}
			}
			child = &node{}
			n.children[segment] = child
		}
		n = child
	}
	return n
}

// disjoint leaves out each pattern that another one of the same subscription covers, so that no type
// matches two: of two prefixes one begins with the other, or they have no type in common.
func disjoint(patterns []filter.TypePattern) []filter.TypePattern {
	var kept []filter.TypePattern
	for i, p := range patterns {
		covered := false
		for j, q := range patterns {
			// Of two that are equal the first stays.
			if i != j && covers(q, p) && (!covers(p, q) || j < i) {
				covered = true
				break
			}
		}
		if !covered {
			kept = append(kept, p)
		}
	}
	return kept
}

// covers reports whether every type that q matches is one that p matches.
func covers(p, q filter.TypePattern) bool {
	switch {
	case p.All:
		return true
	case q.All:
		return false
	case p.Prefix != "" && q.Prefix != "":
		return strings.HasPrefix(q.Prefix, p.Prefix)
	case p.Prefix != "":
		return p.Matches(q.Exact)
	default:
		return q.Prefix == "" && p.Exact == q.Exact
	}
}
