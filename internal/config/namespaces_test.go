// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/config"
)

func TestNamespaces_ReadsWhatTheFlagSays(t *testing.T) {
	tests := map[string]struct{ in, want, err string }{
		"nothing":              {in: "", want: ""},
		"one":                  {in: "team-a", want: "team-a"},
		"several, in order":    {in: "team-b,team-a", want: "team-a,team-b"},
		"the same twice":       {in: "team-a,team-a", want: "team-a"},
		"an empty name":        {in: "team-a,", err: `"" is no name`},
		"a name with a space":  {in: "team-a, team-b", err: `" team-b" is no name`},
		"a name in upper case": {in: "Team", err: `"Team" is no name`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var n config.Namespaces
			err := n.Set(tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || n.String() != tt.want {
				t.Errorf("read %q (%v), want %q", n.String(), err, tt.want)
			}
		})
	}
}
