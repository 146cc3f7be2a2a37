// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package payload

import "errors"

// MaxTransformBytes is how long the JSON of a transform's result may get: as long as an event's
// data.
const MaxTransformBytes = 1 << 20

// ErrTooLarge is returned by Render for a transform whose result passes MaxTransformBytes.
var ErrTooLarge = errors.New("the transform's result is too large")

// ErrNotJSON is returned by Render for a transform whose result has no form in JSON, such as an
// infinite number or the event as a whole.
var ErrNotJSON = errors.New("the transform's result is not JSON")
