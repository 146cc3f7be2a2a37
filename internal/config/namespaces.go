// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Namespaces is a flag with names of namespaces, separated by commas. It is a flag.Value.
type Namespaces []string

// String returns the names as the flag is written.
func (n *Namespaces) String() string { return strings.Join(*n, ",") }

// Set reads the names. A name that no namespace can have is an error, and so is an empty one: nothing at all
// means that the flag is not set.
func (n *Namespaces) Set(s string) error {
	*n = nil
	if s == "" {
		return nil
	}
	for name := range strings.SplitSeq(s, ",") {
		if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
			return fmt.Errorf("%q is no name of a namespace: %s", name, strings.Join(problems, "; "))
		}
		*n = append(*n, name)
	}
	slices.Sort(*n)
	*n = slices.Compact(*n)
	return nil
}
