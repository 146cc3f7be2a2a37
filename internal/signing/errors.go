// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"errors"
	"fmt"
)

// ErrMalformedKey is wrapped by ParseKey's error when the key does not have the form that its scheme
// needs. The error's text follows it with what is wrong, for a user.
var ErrMalformedKey = errors.New("malformed signing key")

// ErrKeyForm is wrapped by NewSigner's error when a key has another form than the scheme signs with.
var ErrKeyForm = errors.New("signing key of another form")

// malformed returns an ErrMalformedKey with the reason, which must not quote the key.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformedKey, fmt.Sprintf(format, args...))
}
