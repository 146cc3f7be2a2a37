// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"fmt"
	"log/slog"
)

// redactedKey is all that a Key shows of itself.
const redactedKey = "[redacted]"

// A Key that ends up in a log line, an error or a dump must not be readable there, so all ways to
// print one answer the same.
var (
	_ fmt.Formatter  = Key{}
	_ slog.LogValuer = Key{}
)

// String returns "[redacted]".
func (k Key) String() string { return redactedKey }

// GoString returns "[redacted]".
func (k Key) GoString() string { return redactedKey }

// Format prints "[redacted]" for every verb.
func (k Key) Format(f fmt.State, _ rune) {
	// A failing writer is the concern of whoever prints.
	_, _ = f.Write([]byte(redactedKey))
}

// LogValue returns "[redacted]".
func (k Key) LogValue() slog.Value { return slog.StringValue(redactedKey) }

// MarshalText returns "[redacted]"; encoding/json and others use it.
func (k Key) MarshalText() ([]byte, error) { return []byte(redactedKey), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedKey + `"`), nil }
