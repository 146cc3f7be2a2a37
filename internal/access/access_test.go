// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/posthorn-dev/posthorn/internal/access"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// clusterIssuer learns the issuer as the dispatcher does: from its own token.
func clusterIssuer(t *testing.T) string {
	t.Helper()
	own, err := kube.Token(t.Context(), ownNamespace, ownAccount)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := access.IssuerOf(own)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

// forge returns a well-formed token with these claims and a signature that nobody made.
func forge(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","kid":"x"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

func claims(issuer, audience string, expiry time.Time) string {
	return fmt.Sprintf(`{"iss":%q,"aud":[%q],"exp":%d}`, issuer, audience, expiry.Unix())
}

func TestAuthenticate_ReturnsTheAccountThatATokenBelongsTo(t *testing.T) {
	namespace := tenant(t)
	a, _ := newAccess(t, access.Options{Issuers: []string{clusterIssuer(t)}})

	u, err := a.Authenticate(t.Context(), token(t, namespace, access.Audience))
	if err != nil {
		t.Fatal(err)
	}
	if want := "system:serviceaccount:" + namespace + ":app"; u.Username != want {
		t.Errorf("user %s, want %s", u.Username, want)
	}
	wantGroups := []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}
	slices.Sort(wantGroups)
	if diff := cmp.Diff(wantGroups, slices.Sorted(slices.Values(u.Groups))); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func TestAuthenticate_RefusesWithoutAskingWhatCanNeverBeAccepted(t *testing.T) {
	namespace, issuer := tenant(t), clusterIssuer(t)
	later := time.Now().Add(time.Hour)
	cases := map[string]string{
		"no token":                         "",
		"an opaque token":                  "s3cr3t",
		"a token of two parts":             "eyJhbGciOiJSUzI1NiJ9.e30",
		"a token of four parts":            forge(claims(issuer, "posthorn", later)) + ".x",
		"a token whose payload is no JSON": forge("posthorn"),
		"a token whose payload is a list":  forge("[]"),
		"a token without a signature":      strings.TrimSuffix(forge(claims(issuer, "posthorn", later)), "c2lnbmF0dXJl"),
		"a token that is not signed":       "eyJhbGciOiJub25lIn0." + strings.SplitN(forge(claims(issuer, "posthorn", later)), ".", 2)[1],
		"a token of another issuer":        forge(claims("https://evil.example.com", "posthorn", later)),
		"a token for another audience":     forge(claims(issuer, "vault", later)),
		"a token that has expired":         forge(claims(issuer, "posthorn", time.Now().Add(-time.Second))),
		"a token that never expires":       forge(fmt.Sprintf(`{"iss":%q,"aud":"posthorn"}`, issuer)),
		"a token with an absurd expiry":    forge(fmt.Sprintf(`{"iss":%q,"aud":"posthorn","exp":1e300}`, issuer)),
		"a token of 17 KiB":                forge(claims(issuer, strings.Repeat("x", 17<<10), later)),
		"a token for the API server":       token(t, namespace),
	}
	a, agent := newAccess(t, access.Options{Issuers: []string{issuer}})
	for name, bearer := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := a.Authenticate(t.Context(), bearer)
			if !errors.Is(err, access.ErrUnauthenticated) {
				t.Fatalf("error %v, want ErrUnauthenticated", err)
			}
			p := problem.From(err)
			if p.Status != http.StatusUnauthorized || p.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("answer %d without a challenge: %v", p.Status, p)
			}
			if len(bearer) > 3 && strings.Contains(err.Error(), bearer) {
				t.Errorf("the error repeats the token: %v", err)
			}
		})
	}
	if n := asked(t, agent, "tokenreviews"); n != 0 {
		t.Errorf("the API server was asked %d times, want 0", n)
	}
}

func TestAuthenticate_AsksOncePerTokenAndCachesBothAnswers(t *testing.T) {
	namespace, issuer := tenant(t), clusterIssuer(t)
	a, agent := newAccess(t, access.Options{Issuers: []string{issuer}})
	good := token(t, namespace, access.Audience)
	bad := forge(claims(issuer, access.Audience, time.Now().Add(time.Hour)))

	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if _, err := a.Authenticate(t.Context(), good); err != nil {
				t.Error(err)
			}
		})
		callers.Go(func() {
			if _, err := a.Authenticate(t.Context(), bad); !errors.Is(err, access.ErrUnauthenticated) {
				t.Errorf("error %v, want ErrUnauthenticated", err)
			}
		})
	}
	callers.Wait()
	if n := asked(t, agent, "tokenreviews"); n != 2 {
		t.Errorf("the API server was asked %d times for two tokens, want 2", n)
	}
}

func TestAuthenticate_LimitsHowOftenTheAPIServerIsAsked(t *testing.T) {
	issuer := clusterIssuer(t)
	a, agent := newAccess(t, access.Options{Issuers: []string{issuer}})

	start := time.Now()
	var callers sync.WaitGroup
	var mu sync.Mutex
	limited := 0
	for i := range 200 {
		callers.Go(func() {
			garbage := forge(fmt.Sprintf(`{"iss":%q,"aud":"posthorn","exp":%d,"jti":"%d"}`,
				issuer, time.Now().Add(time.Hour).Unix(), i))
			_, err := a.Authenticate(t.Context(), garbage)
			if errors.Is(err, access.ErrUnavailable) {
				if p := problem.From(err); p.Status != http.StatusServiceUnavailable || p.RetryAfter <= 0 {
					t.Errorf("answer %d, Retry-After %s", p.Status, p.RetryAfter)
				}
				mu.Lock()
				limited++
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	most := int(access.DefaultTokenReviewsPerSecond*time.Since(start).Seconds()) + 2
	if n := asked(t, agent, "tokenreviews"); n > most {
		t.Errorf("the API server was asked %d times in %s, want at most %d", n, time.Since(start), most)
	}
	if limited == 0 {
		t.Error("no caller was sent away")
	}
}

func TestAuthenticate_TakesTheAPIServersAudienceByOptionOnly(t *testing.T) {
	namespace := tenant(t)
	a, _ := newAccess(t, access.Options{Issuers: []string{clusterIssuer(t)}, AllowAPIServerAudience: true})
	cases := map[string]struct {
		audiences []string
		want      error
	}{
		"a token for the API server is taken":    {nil, nil},
		"a token for Posthorn is taken":          {[]string{access.Audience}, nil},
		"a token for somebody else is not":       {[]string{"vault"}, access.ErrUnauthenticated},
		"a token for Posthorn and more is taken": {[]string{"vault", access.Audience}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := a.Authenticate(t.Context(), token(t, namespace, tc.audiences...)); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

func TestAuthorize_FollowsTheRolesOfTheNamespace(t *testing.T) {
	mine, other := tenant(t), tenant(t)
	grant(t, mine, account(mine))
	a, agent := newAccess(t, access.Options{})
	gate := a.Gate(access.PostEvents)
	bearer := token(t, mine, access.Audience)

	for range 3 {
		username, err := gate.Pass(t.Context(), bearer, mine)
		if err != nil {
			t.Fatal(err)
		}
		if want := "system:serviceaccount:" + mine + ":app"; username != want {
			t.Errorf("user %s, want %s", username, want)
		}
		_, err = gate.Pass(t.Context(), bearer, other)
		if !errors.Is(err, access.ErrForbidden) {
			t.Fatalf("error %v, want ErrForbidden", err)
		}
		if detail := problem.From(err).Detail; !strings.Contains(detail, "create events.posthorn.dev in namespace "+other) {
			t.Errorf("detail %q does not name the right", detail)
		}
		if _, err := a.Gate(access.ReadDeliveries).Pass(t.Context(), bearer, mine); !errors.Is(err, access.ErrForbidden) {
			t.Errorf("error %v for another right, want ErrForbidden", err)
		}
		if _, err := gate.Pass(t.Context(), bearer, ""); !errors.Is(err, access.ErrForbidden) {
			t.Errorf("error %v for all namespaces, want ErrForbidden", err)
		}
	}
	if n := asked(t, agent, "subjectaccessreviews"); n != 4 {
		t.Errorf("the API server was asked %d times for four rights, want 4", n)
	}
}

func TestAnybody_TakesEveryoneWhoIsKnown(t *testing.T) {
	namespace := tenant(t)
	a, agent := newAccess(t, access.Options{})
	username, err := a.Anybody().Pass(t.Context(), token(t, namespace, access.Audience), "")
	if want := "system:serviceaccount:" + namespace + ":app"; err != nil || username != want {
		t.Errorf("user %q, %v, want %s", username, err, want)
	}
	if _, err := a.Anybody().Pass(t.Context(), "nobody", ""); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("error %v, want ErrUnauthenticated", err)
	}
	if n := asked(t, agent, "subjectaccessreviews"); n != 0 {
		t.Errorf("the API server was asked %d times for rights, want never", n)
	}
}

func TestAuthorize_CountsTheGroupsOfAServiceAccount(t *testing.T) {
	namespace := tenant(t)
	grant(t, namespace, rbacv1.Subject{
		Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "system:serviceaccounts:" + namespace,
	})
	a, _ := newAccess(t, access.Options{})
	if _, err := a.Gate(access.PostEvents).Pass(t.Context(), token(t, namespace, access.Audience), namespace); err != nil {
		t.Fatal(err)
	}
}

func TestAuthorize_TellsSubresourcesApart(t *testing.T) {
	namespace := tenant(t)
	grant(t, namespace, account(namespace))
	a, _ := newAccess(t, access.Options{})
	u, err := a.Authenticate(t.Context(), token(t, namespace, access.Audience))
	if err != nil {
		t.Fatal(err)
	}
	right := access.PostEvents
	right.Namespace = namespace
	if err := a.Authorize(t.Context(), u, right); err != nil {
		t.Fatal(err)
	}
	right.Subresource = "body"
	if err := a.Authorize(t.Context(), u, right); !errors.Is(err, access.ErrForbidden) {
		t.Errorf("error %v, want ErrForbidden", err)
	}
}

func TestAuthorize_FollowsRightsToPaths(t *testing.T) {
	namespace := tenant(t)
	a, _ := newAccess(t, access.Options{DeniedTTL: time.Nanosecond})
	u, err := a.Authenticate(t.Context(), token(t, namespace, access.Audience))
	if err != nil {
		t.Fatal(err)
	}
	err = a.Authorize(t.Context(), u, access.ReadMetrics)
	if !errors.Is(err, access.ErrForbidden) || !strings.Contains(problem.From(err).Detail, "nonResourceURL") {
		t.Fatalf("error %v, want ErrForbidden with its remedy", err)
	}
	bindCluster(t, account(namespace), rbacv1.PolicyRule{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}})
	eventually(t, func(ctx context.Context) bool { return a.Authorize(ctx, u, access.ReadMetrics) == nil })
}

func TestGate_AsksAgainOnceAnswersExpire(t *testing.T) {
	namespace := tenant(t)
	a, agent := newAccess(t, access.Options{TTL: time.Nanosecond, DeniedTTL: time.Nanosecond})
	gate, bearer := a.Gate(access.PostEvents), token(t, namespace, access.Audience)
	if _, err := gate.Pass(t.Context(), bearer, namespace); !errors.Is(err, access.ErrForbidden) {
		t.Fatalf("error %v, want ErrForbidden", err)
	}
	grant(t, namespace, account(namespace))
	eventually(t, func(ctx context.Context) bool {
		_, err := gate.Pass(ctx, bearer, namespace)
		return err == nil
	})
	if n := asked(t, agent, "tokenreviews"); n < 2 {
		t.Errorf("the API server was asked %d times, want one for each pass", n)
	}
}

// eventually waits until a condition comes true, such as once the authorizer has seen a change.
func eventually(t *testing.T, condition func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !condition(ctx) {
		if ctx.Err() != nil {
			t.Fatal("it never came true")
		}
	}
}

func TestNew_RefusesOptionsThatMakeNoSense(t *testing.T) {
	if _, err := access.New(access.Options{}); err == nil {
		t.Error("options without an API server were taken")
	}
	if _, err := access.NewForConfig(kube.Config(), access.Options{TTL: 2 * time.Minute}); err == nil {
		t.Error("a TTL of 2 minutes was taken")
	}
}
