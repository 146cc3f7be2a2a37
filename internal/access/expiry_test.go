// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationv1client "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationv1client "k8s.io/client-go/kubernetes/typed/authorization/v1"

	"github.com/posthorn-dev/posthorn/internal/access"
)

// reviewer stands for an API server where time has to be that of the test. It accepts every token while it is
// there: what is refused, Posthorn refuses.
type reviewer struct {
	authenticationv1client.TokenReviewInterface
	authorizationv1client.SubjectAccessReviewsGetter
	asked int
	away  bool
}

func (r *reviewer) TokenReviews() authenticationv1client.TokenReviewInterface { return r }

func (r *reviewer) SubjectAccessReviews() authorizationv1client.SubjectAccessReviewInterface {
	return nil
}

func (r *reviewer) Create(
	_ context.Context, review *authenticationv1.TokenReview, _ metav1.CreateOptions,
) (*authenticationv1.TokenReview, error) {
	r.asked++
	if r.away {
		return nil, errors.New("connection refused")
	}
	review.Status = authenticationv1.TokenReviewStatus{
		Authenticated: true, User: authenticationv1.UserInfo{Username: "app"}, Audiences: review.Spec.Audiences,
	}
	return review, nil
}

func TestAuthenticate_NoAnswerOutlivesItsToken(t *testing.T) {
	cases := map[string]struct {
		ttl  time.Duration
		away bool
		// wantAsked is how often the API server is asked until the token has ended.
		wantAsked int
	}{
		"an answer that is fresh":                                     {60 * time.Second, false, 1},
		"an answer that is fresh while the API server is away":        {60 * time.Second, true, 1},
		"an answer that was renewed":                                  {10 * time.Second, false, 2},
		"an answer that has expired while the API server is away":     {10 * time.Second, true, 2},
		"an answer that expires at once while the API server is away": {time.Nanosecond, true, 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &reviewer{}
				a, err := access.New(access.Options{Authentication: r, Authorization: r, TTL: tc.ttl})
				if err != nil {
					t.Fatal(err)
				}
				bearer := forge(claims("https://cluster.example.com", access.Audience, time.Now().Add(30*time.Second)))
				accepted := func() {
					t.Helper()
					if u, err := a.Authenticate(t.Context(), bearer); err != nil || u.Username != "app" {
						t.Fatalf("user %v, error %v", u, err)
					}
				}
				accepted()
				r.away = tc.away
				time.Sleep(29 * time.Second)
				accepted()
				for _, wait := range []time.Duration{time.Second, time.Second, time.Hour} {
					time.Sleep(wait)
					if _, err := a.Authenticate(t.Context(), bearer); !errors.Is(err, access.ErrUnauthenticated) {
						t.Errorf("error %v, want ErrUnauthenticated", err)
					}
				}
				if r.asked != tc.wantAsked {
					t.Errorf("the API server was asked %d times, want %d", r.asked, tc.wantAsked)
				}
			})
		})
	}
}
