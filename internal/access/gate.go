// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import "context"

// Gate lets a token pass that belongs to a user with one right. It is what HTTP handlers see of
// this package.
type Gate struct {
	access *Access
	right  Attributes
	// anybody says that no right is needed.
	anybody bool
}

// Gate returns the gate for a right; the namespace of the attributes is set by each Pass.
func (a *Access) Gate(right Attributes) *Gate {
	return &Gate{access: a, right: right}
}

// Anybody returns the gate for everybody who is known, whatever their rights.
func (a *Access) Anybody() *Gate { return &Gate{access: a, anybody: true} }

// Pass returns the name of the user that the token belongs to, if that user has the gate's right in
// the namespace; an empty one means in all namespaces. Errors are those of Authenticate and
// Authorize.
func (g *Gate) Pass(ctx context.Context, token, namespace string) (username string, err error) {
	u, err := g.access.Authenticate(ctx, token)
	if err != nil {
		return "", err
	}
	if g.anybody {
		return u.Username, nil
	}
	right := g.right
	right.Namespace = namespace
	if err := g.access.Authorize(ctx, u, right); err != nil {
		return "", err
	}
	return u.Username, nil
}
