// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"
	"net/netip"
	"net/url"
	"time"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// Endpoint compiles an endpoint with its credentials. The error is an *Error that names the field,
// or ErrStaleCredentials when the credentials are not those of this generation of this object.
func Endpoint(obj *hookv1.WebhookEndpoint, c *Credentials, d Defaults) (*delivery.Endpoint, error) {
	owner := CredentialsOwner{
		Namespace: obj.Namespace, Name: obj.Name, UID: string(obj.UID), Generation: obj.Generation,
	}
	if c == nil || c.Endpoint != owner {
		return nil, ErrStaleCredentials
	}
	e := &delivery.Endpoint{
		Name:       delivery.Name{Namespace: obj.Namespace, Name: obj.Name},
		UID:        owner.UID,
		Generation: owner.Generation,
		Suspended:  obj.Spec.Suspend != nil && *obj.Spec.Suspend,
		Enable:     obj.Annotations[hookv1.AnnotationEnable],
		AdmitsAll:  c.AdmitsAll,
		Admits:     c.Admits,
	}
	for _, step := range []func(*hookv1.WebhookEndpointSpec, *Credentials, *delivery.Endpoint) error{
		compileDestination, compileSigning, compileHeaders, compileAuthentication, compileTLS,
	} {
		if err := step(&obj.Spec, c, e); err != nil {
			return nil, err
		}
	}
	limits, err := resolveLimits(&obj.Spec, d)
	if err != nil {
		return nil, err
	}
	limits.apply(e)
	if e.Revision, err = revision(&obj.Spec, c, d); err != nil {
		return nil, err
	}
	e.Redact = secretsOf(e, &obj.Spec, c)
	return e, nil
}

// compileDestination sets the URL and, for a serviceRef, the address.
func compileDestination(spec *hookv1.WebhookEndpointSpec, c *Credentials, e *delivery.Endpoint) error {
	var err error
	switch {
	case spec.URL != "":
		e.URL, err = ParseURL(string(spec.URL))
		if err != nil {
			return fieldErrorf("spec.url", "%v", err)
		}
	case spec.URLFrom != nil:
		e.URL, err = ParseURL(c.URL)
		if err != nil {
			return fieldErrorf("spec.urlFrom.secretKeyRef", "the value %v", err)
		}
	case spec.ServiceRef != nil:
		e.URL = ServiceURL(e.Name.Namespace, spec.ServiceRef)
		e.ServiceIP, err = netip.ParseAddr(c.ServiceIP)
		if err != nil || e.ServiceIP.Zone() != "" {
			return fieldErrorf("spec.serviceRef", "Service %s has no ClusterIP that can be dialled: use one of type ClusterIP with a selector", spec.ServiceRef.Name)
		}
	default:
		return fieldErrorf("spec", "exactly one of url, urlFrom and serviceRef must be set")
	}
	e.Host = e.URL.Host
	return nil
}

// limits are an endpoint's bounds once defaults have filled what its spec leaves open.
type limits struct {
	timeout      time.Duration
	concurrency  int
	rateLimit    *RateLimit
	breaker      breaker.Config
	shareCircuit bool
	disableAfter time.Duration
}

// resolveLimits merges the spec with the defaults.
func resolveLimits(spec *hookv1.WebhookEndpointSpec, d Defaults) (*limits, error) {
	l := &limits{timeout: d.Timeout, concurrency: d.Concurrency, rateLimit: d.RateLimit}
	if spec.Concurrency > 0 {
		l.concurrency = int(spec.Concurrency)
	}
	var f durations
	f.read("spec.timeout", spec.Timeout, &l.timeout)
	f.read("spec.disableAfter", spec.DisableAfter, &l.disableAfter)
	if r := spec.RateLimit; r != nil {
		l.rateLimit = &RateLimit{Requests: int(r.Requests), Per: time.Second}
		f.read("spec.rateLimit.per", r.Per, &l.rateLimit.Per)
	}
	l.breaker, l.shareCircuit = resolveBreaker(spec.CircuitBreaker, d.Breaker, &f)
	return l, f.err
}

// resolveBreaker merges the spec's circuit breaker with the default one.
func resolveBreaker(cb *hookv1.CircuitBreaker, d breaker.Config, f *durations) (config breaker.Config, shared bool) {
	if cb == nil {
		return d, false
	}
	if cb.FailureThreshold > 0 {
		d.FailureThreshold = int(cb.FailureThreshold)
	}
	if cb.Probes > 0 {
		d.Probes = int(cb.Probes)
	}
	f.read("spec.circuitBreaker.openDuration", cb.OpenDuration, &d.OpenDuration)
	f.read("spec.circuitBreaker.maxOpenDuration", cb.MaxOpenDuration, &d.MaxOpenDuration)
	// A default must not be an error in a spec that sets only the other field.
	if cb.MaxOpenDuration == "" {
		d.MaxOpenDuration = max(d.MaxOpenDuration, d.OpenDuration)
	} else if cb.OpenDuration == "" {
		d.OpenDuration = min(d.OpenDuration, d.MaxOpenDuration)
	}
	return d, cb.Scope == hookv1.CircuitScopeHost
}

// apply sets the limits on the endpoint. The rate's burst is what one length of time lets through.
func (l *limits) apply(e *delivery.Endpoint) {
	e.Timeout = l.timeout
	e.Concurrency = l.concurrency
	if l.rateLimit != nil {
		e.Rate = float64(l.rateLimit.Requests) / l.rateLimit.Per.Seconds()
		e.Burst = l.rateLimit.Requests
	}
	e.Breaker = l.breaker
	e.ShareCircuit = l.shareCircuit
	e.DisableAfter = l.disableAfter
}

// durations reads the durations of a spec and keeps the first error.
type durations struct{ err error }

// read sets into where the field is set.
func (f *durations) read(path string, raw hookv1.Duration, into *time.Duration) {
	if raw == "" || f.err != nil {
		return
	}
	d, err := raw.Parse()
	if err != nil {
		f.err = fieldError(path, err)
		return
	}
	*into = d
}

// ServiceURL returns the URL of a Service: its host is the Service's name in the cluster's DNS, which
// stands in Host and SNI; what is dialled is the ClusterIP.
func ServiceURL(namespace string, ref *hookv1.ServiceRef) *url.URL {
	u := &url.URL{
		Scheme: string(ref.Scheme),
		Host:   fmt.Sprintf("%s.%s.svc:%d", ref.Name, namespace, ref.Port),
	}
	if u.Scheme == "" {
		u.Scheme = string(hookv1.ServiceSchemeHTTP)
	}
	path := ref.Path
	if path == "" {
		path = "/"
	}
	// The schema admits a query and percent-encoding in the path.
	if rel, err := url.Parse(path); err == nil {
		u.Path, u.RawPath, u.RawQuery = rel.Path, rel.RawPath, rel.RawQuery
	} else {
		u.Path = path
	}
	return u
}
