// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// User is who a token belongs to, as the API server said. It is shared and must not be changed.
type User struct {
	// Username is unique in the cluster; that of a ServiceAccount is
	// system:serviceaccount:<namespace>:<name>.
	Username string
	// UID tells users of the same name apart in time.
	UID string
	// Groups and Extra take part in authorization.
	Groups []string
	Extra  map[string][]string

	// digest stands for all of the above in the keys of the cache.
	digest string
}

// authenticated is a user and the end of the token that said so.
type authenticated struct {
	user   *User
	expiry time.Time
}

// Authenticate returns who the token belongs to. The errors are ErrUnauthenticated and
// ErrUnavailable, with a *Error that says more.
func (a *Access) Authenticate(ctx context.Context, token string) (*User, error) {
	if len(token) > maxTokenBytes {
		return nil, unauthenticated("The bearer token is longer than 16 KiB: send a ServiceAccount's token.")
	}
	now := time.Now()
	sum := sha256.Sum256([]byte(token))
	key := string(sum[:])
	if held, ok := a.tokens.fresh(key, now); ok && now.Before(held.expiry) {
		return held.user, nil
	}
	c, err := a.look(token, now)
	if err != nil {
		return nil, err
	}
	result, err := a.tokens.resolve(ctx, key, func(ctx context.Context) (*authenticated, error) {
		user, err := a.reviewToken(ctx, token, c)
		if err != nil {
			return nil, err
		}
		return &authenticated{user: user, expiry: c.expiry()}, nil
	})
	if err != nil {
		return nil, err
	}
	return result.user, nil
}

// reviewToken asks the API server who the token belongs to.
func (a *Access) reviewToken(ctx context.Context, token string, c *claims) (*User, error) {
	audiences := a.audiences
	if a.apiServerAudience && !slices.ContainsFunc(c.Audience, a.takesAudience) {
		audiences = nil // the API server then checks for its own
	}
	review := &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences},
	}
	review, err := a.authentication.Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	status := review.Status
	if !status.Authenticated {
		e := unauthenticated("The API server does not accept the token: send a fresh one.")
		if status.Error != "" {
			e.cause = errors.New(status.Error)
		}
		return nil, e
	}
	// An authenticator that knows no audiences accepts tokens for any: the answer must name one.
	if audiences != nil && !slices.ContainsFunc(status.Audiences, a.takesAudience) {
		return nil, unauthenticated("The API server did not confirm that the token is meant for Posthorn.")
	}
	return newUser(status.User), nil
}

func newUser(info authenticationv1.UserInfo) *User {
	u := &User{Username: info.Username, UID: info.UID, Groups: info.Groups}
	if len(info.Extra) > 0 {
		u.Extra = make(map[string][]string, len(info.Extra))
		for name, values := range info.Extra {
			u.Extra[name] = values
		}
	}
	u.digest = u.computeDigest()
	return u
}
