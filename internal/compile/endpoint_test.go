// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// whsec is a well-formed symmetric key of 32 zero bytes.
const whsec = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// billing returns an endpoint with that spec and credentials of its generation.
func billing(spec hookv1.WebhookEndpointSpec) (*hookv1.WebhookEndpoint, *compile.Credentials) {
	obj := &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "billing", UID: "uid-1", Generation: 3},
		Spec:       spec,
	}
	return obj, &compile.Credentials{
		Endpoint:    compile.CredentialsOwner{Namespace: "team-a", Name: "billing", UID: "uid-1", Generation: 3},
		SigningKeys: []string{whsec},
	}
}

func TestEndpoint_FillsWhatTheSpecLeavesOutFromTheDefaults(t *testing.T) {
	t.Parallel()
	obj, c := billing(hookv1.WebhookEndpointSpec{URL: "https://billing.example.com:8443/hooks?tenant=1"})
	e, err := compile.Endpoint(obj, c, compile.BuiltinDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if e.Name != (delivery.Name{Namespace: "team-a", Name: "billing"}) || e.UID != "uid-1" || e.Generation != 3 {
		t.Errorf("identity: got %v %s %d", e.Name, e.UID, e.Generation)
	}
	if e.Host != "billing.example.com:8443" {
		t.Errorf("Host: got %q", e.Host)
	}
	if e.Timeout != 15*time.Second || e.Concurrency != 16 || e.Rate != 0 || e.DisableAfter != 0 || e.ShareCircuit {
		t.Errorf("limits: got %+v", e)
	}
	if diff := cmp.Diff(breaker.DefaultConfig(), e.Breaker); diff != "" {
		t.Errorf("Breaker (-want +got):\n%s", diff)
	}
	if e.Signer == nil || !slices.Contains(e.Signer.HeaderNames(), "Webhook-Signature") {
		t.Error("Signer: want one of Standard Webhooks")
	}
}

func TestEndpoint_TakesWhatTheSpecSays(t *testing.T) {
	t.Parallel()
	suspend := true
	obj, c := billing(hookv1.WebhookEndpointSpec{
		URL:            "http://billing.example.com/",
		Signing:        &hookv1.Signing{Scheme: hookv1.SigningSchemeNone},
		Timeout:        "2s",
		Concurrency:    3,
		RateLimit:      &hookv1.RateLimit{Requests: 120, Per: "1m"},
		CircuitBreaker: &hookv1.CircuitBreaker{FailureThreshold: 2, OpenDuration: "20m", Scope: hookv1.CircuitScopeHost},
		DisableAfter:   "120h",
		Suspend:        &suspend,
	})
	obj.Annotations = map[string]string{hookv1.AnnotationEnable: "again"}
	c.AdmitsAll = true
	e, err := compile.Endpoint(obj, c, compile.BuiltinDefaults())
	if err != nil {
		t.Fatal(err)
	}
	want := breaker.Config{FailureThreshold: 2, OpenDuration: 20 * time.Minute, MaxOpenDuration: 20 * time.Minute, Probes: 2}
	if diff := cmp.Diff(want, e.Breaker); diff != "" {
		t.Errorf("Breaker (-want +got):\n%s", diff)
	}
	if e.Rate != 2 || e.Burst != 120 {
		t.Errorf("rate: got %v, burst %d, want 2 and 120", e.Rate, e.Burst)
	}
	if e.Timeout != 2*time.Second || e.Concurrency != 3 || !e.ShareCircuit || e.DisableAfter != 120*time.Hour {
		t.Errorf("limits: got %+v", e)
	}
	if !e.Suspended || e.Enable != "again" || e.Signer != nil || !e.AdmitsNamespace("team-b") {
		t.Errorf("got suspended %t, enable %q, signer %v", e.Suspended, e.Enable, e.Signer)
	}
}

func TestEndpoint_DialsTheClusterIPOfAService(t *testing.T) {
	t.Parallel()
	obj, c := billing(hookv1.WebhookEndpointSpec{
		ServiceRef: &hookv1.ServiceRef{Name: "billing", Port: 8080, Path: "/hooks%2Fa?b=c"},
	})
	c.ServiceIP = "10.96.0.7"
	e, err := compile.Endpoint(obj, c, compile.BuiltinDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if got := e.URL.String(); got != "http://billing.team-a.svc:8080/hooks%2Fa?b=c" {
		t.Errorf("URL: got %s", got)
	}
	if e.ServiceIP.String() != "10.96.0.7" {
		t.Errorf("ServiceIP: got %s", e.ServiceIP)
	}
}

func TestEndpoint_RefusesCredentialsOfAnotherObjectOrGeneration(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*compile.CredentialsOwner){
		"an older generation":   func(o *compile.CredentialsOwner) { o.Generation = 2 },
		"a newer generation":    func(o *compile.CredentialsOwner) { o.Generation = 4 },
		"an object before it":   func(o *compile.CredentialsOwner) { o.UID = "uid-0" },
		"another endpoint":      func(o *compile.CredentialsOwner) { o.Name = "other" },
		"another's namespace":   func(o *compile.CredentialsOwner) { o.Namespace = "team-b" },
		"nothing in particular": func(o *compile.CredentialsOwner) { *o = compile.CredentialsOwner{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			obj, c := billing(hookv1.WebhookEndpointSpec{URL: "https://billing.example.com/"})
			change(&c.Endpoint)
			if _, err := compile.Endpoint(obj, c, compile.BuiltinDefaults()); !errors.Is(err, compile.ErrStaleCredentials) {
				t.Errorf("got %v, want ErrStaleCredentials", err)
			}
		})
	}
}

func TestEndpoint_NamesTheFieldAtFault(t *testing.T) {
	t.Parallel()
	secretHeader := []hookv1.Header{{Name: "X-Key", ValueFrom: &hookv1.HeaderSource{
		SecretKeyRef: hookv1.SecretKeySelector{Name: "keys", Key: "k"},
	}}}
	tests := map[string]struct {
		spec        hookv1.WebhookEndpointSpec
		credentials func(*compile.Credentials)
		wantPath    string
	}{
		"no destination": {wantPath: "spec"},
		"a URL of a Secret that is none": {
			spec:        hookv1.WebhookEndpointSpec{URLFrom: &hookv1.URLSource{}},
			credentials: func(c *compile.Credentials) { c.URL = "ftp://secret-value.example.com" },
			wantPath:    "spec.urlFrom.secretKeyRef",
		},
		"a Service without an address": {
			spec:     hookv1.WebhookEndpointSpec{ServiceRef: &hookv1.ServiceRef{Name: "s", Port: 80}},
			wantPath: "spec.serviceRef",
		},
		"no signing key": {
			spec:        hookv1.WebhookEndpointSpec{URL: "https://a.example.com"},
			credentials: func(c *compile.Credentials) { c.SigningKeys = nil },
			wantPath:    "spec.signing",
		},
		"a malformed signing key": {
			spec:        hookv1.WebhookEndpointSpec{URL: "https://a.example.com"},
			credentials: func(c *compile.Credentials) { c.SigningKeys = []string{"secret-value"} },
			wantPath:    "spec.signing",
		},
		"a header without its value": {
			spec:     hookv1.WebhookEndpointSpec{URL: "https://a.example.com", Headers: secretHeader},
			wantPath: "spec.headers[0].valueFrom.secretKeyRef",
		},
		"a header with a line break": {
			spec: hookv1.WebhookEndpointSpec{URL: "https://a.example.com", Headers: secretHeader},
			credentials: func(c *compile.Credentials) {
				c.Headers = []compile.CredentialsHeader{{Name: "x-key", Value: "secret-value\r\nX-Evil: 1"}}
			},
			wantPath: "spec.headers[0].valueFrom.secretKeyRef",
		},
		"a header that signing sets": {
			spec: hookv1.WebhookEndpointSpec{
				URL:     "https://a.example.com",
				Signing: &hookv1.Signing{Headers: &hookv1.SignatureHeaders{Prefix: "svix-"}},
				Headers: []hookv1.Header{{Name: "svix-id", Value: "1"}},
			},
			wantPath: "spec.headers[0]",
		},
		"a bearer token with a line break": {
			spec: hookv1.WebhookEndpointSpec{
				URL:            "https://a.example.com",
				Authentication: &hookv1.Authentication{Type: hookv1.AuthenticationTypeBearer},
			},
			credentials: func(c *compile.Credentials) { c.Bearer = "secret-value\n" },
			wantPath:    "spec.authentication.bearer.secretRef",
		},
		"no user": {
			spec: hookv1.WebhookEndpointSpec{
				URL:            "https://a.example.com",
				Authentication: &hookv1.Authentication{Type: hookv1.AuthenticationTypeBasic},
			},
			wantPath: "spec.authentication.basic.secretRef",
		},
		"a token URL that is none": {
			spec: hookv1.WebhookEndpointSpec{
				URL:            "https://a.example.com",
				Authentication: &hookv1.Authentication{Type: hookv1.AuthenticationTypeOAuth2ClientCredentials},
			},
			credentials: func(c *compile.Credentials) {
				c.OAuth2 = &compile.CredentialsOAuth2{TokenURL: "secret-value", ClientSecret: "s"}
			},
			wantPath: "spec.authentication.oauth2ClientCredentials.tokenURL",
		},
		"a CA that is not PEM": {
			spec: hookv1.WebhookEndpointSpec{
				URL: "https://a.example.com", TLS: &hookv1.TLS{CARef: &hookv1.CARef{Name: "ca"}},
			},
			credentials: func(c *compile.Credentials) { c.CA = "secret-value" },
			wantPath:    "spec.tls.caRef",
		},
		"a client certificate that is not PEM": {
			spec: hookv1.WebhookEndpointSpec{
				URL: "https://a.example.com", TLS: &hookv1.TLS{ClientCertificateRef: &hookv1.LocalSecretRef{Name: "c"}},
			},
			credentials: func(c *compile.Credentials) { c.ClientKey = "secret-value" },
			wantPath:    "spec.tls.clientCertificateRef",
		},
		"TLS for a plain URL of a Secret": {
			spec: hookv1.WebhookEndpointSpec{
				URLFrom: &hookv1.URLSource{}, TLS: &hookv1.TLS{ServerName: "a"},
			},
			credentials: func(c *compile.Credentials) { c.URL = "http://secret-value.example.com" },
			wantPath:    "spec.urlFrom.secretKeyRef",
		},
		"a timeout that does not parse": {
			spec:     hookv1.WebhookEndpointSpec{URL: "https://a.example.com", Timeout: "soon"},
			wantPath: "spec.timeout",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			obj, c := billing(tc.spec)
			if tc.credentials != nil {
				tc.credentials(c)
			}
			_, err := compile.Endpoint(obj, c, compile.BuiltinDefaults())
			var field *compile.Error
			if !errors.As(err, &field) {
				t.Fatalf("got %v, want a *compile.Error", err)
			}
			if field.Path != tc.wantPath {
				t.Errorf("Path: got %q, want %q (%v)", field.Path, tc.wantPath, err)
			}
			if strings.Contains(err.Error(), "secret-value") {
				t.Errorf("the error holds the value of a Secret: %v", err)
			}
		})
	}
}

func TestEndpoint_RedactsEveryValueOfASecret(t *testing.T) {
	t.Parallel()
	obj, c := billing(hookv1.WebhookEndpointSpec{
		URLFrom: &hookv1.URLSource{},
		Headers: []hookv1.Header{
			{Name: "X-Env", Value: "production"},
			{Name: "X-Key", ValueFrom: &hookv1.HeaderSource{SecretKeyRef: hookv1.SecretKeySelector{Name: "k", Key: "v"}}},
		},
		Authentication: &hookv1.Authentication{Type: hookv1.AuthenticationTypeBasic},
	})
	c.URL = "https://hooks.example.com/services/T000/B000?token=xyzzy"
	c.Headers = []compile.CredentialsHeader{{Name: "X-Key", Value: "header-secret"}}
	c.Basic = &compile.CredentialsBasic{Username: "user", Password: "basic-secret"}
	e, err := compile.Endpoint(obj, c, compile.BuiltinDefaults())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{
		whsec, "header-secret", "basic-secret", "dXNlcjpiYXNpYy1zZWNyZXQ=",
		"/services/T000/B000?token=xyzzy", "/services/T000/B000", "token=xyzzy",
	} {
		if !slices.Contains(e.Redact, secret) {
			t.Errorf("%q is not redacted", secret)
		}
	}
	if slices.Contains(e.Redact, "production") {
		t.Error("the value of a plain header is redacted")
	}
	if !slices.IsSortedFunc(e.Redact, func(a, b string) int { return len(b) - len(a) }) {
		t.Error("a longer secret must come before the shorter ones that it may hold")
	}
	if got := e.Header[1]; got != (delivery.HeaderField{Name: http.CanonicalHeaderKey("x-key"), Value: "header-secret"}) {
		t.Errorf("Header[1]: got %v", got)
	}
}

func TestEndpoint_RevisionFollowsWhatIsCompiledIn(t *testing.T) {
	t.Parallel()
	revision := func(change func(*hookv1.WebhookEndpoint, *compile.Credentials, *compile.Defaults)) string {
		obj, c := billing(hookv1.WebhookEndpointSpec{URL: "https://billing.example.com/"})
		d := compile.BuiltinDefaults()
		if change != nil {
			change(obj, c, &d)
		}
		e, err := compile.Endpoint(obj, c, d)
		if err != nil {
			t.Fatal(err)
		}
		return e.Revision
	}
	base := revision(nil)
	if again := revision(func(obj *hookv1.WebhookEndpoint, c *compile.Credentials, _ *compile.Defaults) {
		obj.Generation, c.Endpoint.Generation = 9, 9
	}); again != base {
		t.Error("a generation alone changes the revision")
	}
	for name, change := range map[string]func(*hookv1.WebhookEndpoint, *compile.Credentials, *compile.Defaults){
		"spec": func(obj *hookv1.WebhookEndpoint, _ *compile.Credentials, _ *compile.Defaults) {
			obj.Spec.Timeout = "3s"
		},
		"credentials": func(_ *hookv1.WebhookEndpoint, c *compile.Credentials, _ *compile.Defaults) { c.Admits = []string{"x"} },
		"defaults":    func(_ *hookv1.WebhookEndpoint, _ *compile.Credentials, d *compile.Defaults) { d.Concurrency = 1 },
	} {
		if revision(change) == base {
			t.Errorf("a change of the %s does not change the revision", name)
		}
	}
}

func TestEffectiveEndpoint_ShowsDefaultsAndSpec(t *testing.T) {
	t.Parallel()
	obj, _ := billing(hookv1.WebhookEndpointSpec{Timeout: "20s", RateLimit: &hookv1.RateLimit{Requests: 5}})
	got, err := compile.EffectiveEndpoint(obj, compile.BuiltinDefaults())
	if err != nil {
		t.Fatal(err)
	}
	want := &hookv1.EffectiveEndpoint{
		Timeout: "20s", Concurrency: 16,
		RateLimit: &hookv1.RateLimit{Requests: 5, Per: "1s"},
		CircuitBreaker: &hookv1.CircuitBreaker{
			FailureThreshold: 5, OpenDuration: "30s", MaxOpenDuration: "10m", Probes: 2, Scope: hookv1.CircuitScopeEndpoint,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"https://a.example.com/x?y=z", "http://user:pw@a/", "https://a:0/", "https://[::1]:80/", "https://a/#f", "http://\x00", "https:///x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := compile.ParseURL(raw)
		if err != nil {
			return
		}
		if u.User != nil || u.Fragment != "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("%q was taken as %#v", raw, u)
		}
	})
}

func FuzzParseCredentials(f *testing.F) {
	_, c := billing(hookv1.WebhookEndpointSpec{})
	seed, err := c.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"endpoint":{"generation":"secret-value"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := compile.ParseCredentials(b)
		if err != nil {
			return
		}
		again, err := c.Marshal()
		if err != nil || !json.Valid(again) {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}

func TestParseCredentials_KeepsEverythingAndQuotesNothing(t *testing.T) {
	t.Parallel()
	c := &compile.Credentials{
		Endpoint:    compile.CredentialsOwner{Namespace: "a", Name: "b", UID: "u", Generation: 7},
		URL:         "https://x.example.com/secret",
		SigningKeys: []string{"one", "two"},
		Headers:     []compile.CredentialsHeader{{Name: "X", Value: "v"}},
		Basic:       &compile.CredentialsBasic{Username: "u", Password: "p"},
		Bearer:      "t",
		OAuth2:      &compile.CredentialsOAuth2{TokenURL: "https://t", ClientID: "c", ClientSecret: "s", Scopes: []string{"a"}, Audience: "x"},
		CA:          "ca", ClientCertificate: "cert", ClientKey: "key",
		ServiceIP: "10.0.0.1", AdmitsAll: true, Admits: []string{"n"},
	}
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := compile.ParseCredentials(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, malformed := range []string{`{"url": 12345`, `{"url": 12345}`, `"12345"`} {
		if _, err := compile.ParseCredentials([]byte(malformed)); err == nil || strings.Contains(err.Error(), "12345") {
			t.Errorf("%s: got %v", malformed, err)
		}
	}
}

func TestCredentialsName_IsAValidNameWhateverTheLength(t *testing.T) {
	t.Parallel()
	long := compile.CredentialsName(strings.Repeat("n", 63), strings.Repeat("e", 253))
	if len(long) != len("endpoint-")+40 {
		t.Errorf("got %q", long)
	}
	if compile.CredentialsName("a", "b") == compile.CredentialsName("a", "c") {
		t.Error("two endpoints share one name")
	}
}
