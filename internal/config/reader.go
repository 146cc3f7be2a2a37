// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// reader turns the values of the file into those of the configuration and collects the faults.
type reader struct {
	faults []error
}

// fault notes that the field at path cannot be used.
func (r *reader) fault(path, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

// number sets into where the file has the field.
func (r *reader) number(path string, raw *int, lowest, highest int, into *int) {
	if raw == nil {
		return
	}
	if *raw < lowest || *raw > highest {
		r.fault(path, "%d is out of bounds: write %d to %d", *raw, lowest, highest)
		return
	}
	*into = *raw
}

// duration sets into where the file has the field.
func (r *reader) duration(path string, raw *hookv1.Duration, lowest, highest time.Duration, into *time.Duration) {
	if raw == nil {
		return
	}
	d, err := raw.Parse()
	if err != nil {
		r.fault(path, "%v", err)
		return
	}
	if d < lowest || d > highest {
		r.fault(path, "%s is out of bounds: write %s to %s", *raw, hookv1.NewDuration(lowest), hookv1.NewDuration(highest))
		return
	}
	*into = d
}

// size sets into where the file has the field.
func (r *reader) size(path string, raw *string, into *int64) {
	if raw == nil {
		return
	}
	bytes, err := parseSize(*raw)
	if err != nil {
		r.fault(path, "%v", err)
		return
	}
	*into = bytes
}

// prefixes returns the ranges of a list. A bare address is the range that holds it alone.
func (r *reader) prefixes(path string, raw []string) []netip.Prefix {
	var out []netip.Prefix
	for i, s := range raw {
		p, err := parsePrefix(s)
		if err != nil {
			r.fault(fmt.Sprintf("%s[%d]", path, i), "%v", err)
			continue
		}
		out = append(out, p)
	}
	return out
}

// parsePrefix reads 10.0.0.0/8, or an address alone.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a range of addresses: write one such as 10.0.0.0/8", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has bits set behind its length: write %s", s, p.Masked())
	}
	return p, nil
}

// namespaces returns the keys of a map of namespaces in order, the unusable ones left out.
func namespaces[V any](r *reader, path string, m map[string]V) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(name string) bool {
		invalid := len(validation.IsDNS1123Label(name)) > 0
		if invalid {
			r.fault(path, "%q is not the name of a namespace", name)
		}
		return invalid
	})
}
