// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package problem_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/problem"
)

func TestProblem_WritesTheMembersOfRFC9457(t *testing.T) {
	t.Parallel()
	p := problem.BadRequest.New("Say more.").After(1001*time.Millisecond).With("Allow", "GET").About("limit")
	p.Index = 0
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, nil)
	answer := recorder.Result()
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"https://posthorn.dev/problems/bad-request","title":"Malformed request","status":400,` +
		`"detail":"Say more.","index":0,"attribute":"limit"}` + "\n"
	if string(body) != want {
		t.Errorf("body %s, want %s", body, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Retry-After": "2", "Allow": "GET", "Cache-Control": "no-store",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// teller is an error that knows its problem.
type teller struct{}

func (teller) Error() string             { return "no" }
func (teller) Problem() *problem.Problem { return problem.Forbidden.New("No.") }

func TestFrom_FindsTheProblemOfAnError(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err  error
		want int
	}{
		"a problem":         {problem.NotFound.New("None."), http.StatusNotFound},
		"a wrapped problem": {fmt.Errorf("read: %w", problem.NotFound.New("None.")), http.StatusNotFound},
		"a wrapped teller":  {fmt.Errorf("read: %w", teller{}), http.StatusForbidden},
		"any other error":   {errors.New("secret"), http.StatusInternalServerError},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := problem.From(tc.err)
			if p.Status != tc.want || strings.Contains(p.Detail, "secret") {
				t.Errorf("status %d (%s), want %d", p.Status, p.Detail, tc.want)
			}
		})
	}
}

func TestBearer_TakesOneTokenOfItsScheme(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		values []string
		want   string
	}{
		"a token":        {[]string{"Bearer a.b.c"}, "a.b.c"},
		"another case":   {[]string{"bearer  a.b.c "}, "a.b.c"},
		"none":           {nil, ""},
		"no token":       {[]string{"Bearer "}, ""},
		"no scheme":      {[]string{"a.b.c"}, ""},
		"another scheme": {[]string{"Basic a.b.c"}, ""},
		"two of them":    {[]string{"Bearer a", "Bearer b"}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := problem.Bearer(&http.Request{Header: http.Header{"Authorization": tc.values}})
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("Bearer = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestCheckNamespace_TakesLabelsOnly(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"team-a": true, "a": true, "1": true, strings.Repeat("a", 63): true,
		"": false, "*": false, "-a": false, "a-": false, "Team": false, "a.b": false, "a/b": false, "a\x00": false,
		strings.Repeat("a", 64): false,
	} {
		if err := problem.CheckNamespace(name); (err == nil) != want {
			t.Errorf("CheckNamespace(%q) = %v", name, err)
		}
	}
}
