// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	authenticationv1client "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationv1client "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
)

// Audience is the audience that tokens for Posthorn are requested with.
const Audience = "posthorn"

// Defaults of Options.
const (
	// DefaultTTL is how long an answer of the API server is used, and the longest it may be.
	DefaultTTL = 60 * time.Second
	// DefaultDeniedTTL is how long a denial is used: short, since people mend rights and try again.
	DefaultDeniedTTL = 10 * time.Second
	// DefaultTokenReviewsPerSecond keeps about 1,200 distinct tokens fresh (20/s for 60 s).
	DefaultTokenReviewsPerSecond = 20
	// DefaultAccessReviewsPerSecond is larger, since only authenticated callers cause these.
	DefaultAccessReviewsPerSecond = 50
	// DefaultTimeout bounds one question to the API server.
	DefaultTimeout = 5 * time.Second
	// DefaultCacheSize bounds each of the four caches. A token's answer takes about 1 KiB.
	DefaultCacheSize = 10_000
)

// Options say whom to ask and what to accept.
type Options struct {
	// Authentication and Authorization reach the API server. Required. Their client should have no
	// rate limit of its own; NewForConfig sees to that.
	Authentication authenticationv1client.TokenReviewsGetter
	Authorization  authorizationv1client.SubjectAccessReviewsGetter
	// Issuers are the issuers of tokens that are worth a question: the cluster's own (IssuerOf
	// learns it from a mounted token), and identity providers that the API server trusts. Empty
	// accepts every issuer that the API server does.
	Issuers []string
	// Audiences are those that tokens must be meant for; any one suffices. Default: Audience.
	Audiences []string
	// AllowAPIServerAudience also accepts tokens that are meant for the API server itself, such as
	// the one mounted into every pod. Off by default: whoever receives such a token by mistake can
	// use it against the whole cluster.
	AllowAPIServerAudience bool
	// TTL and DeniedTTL replace their defaults; a TTL above DefaultTTL is an error.
	TTL, DeniedTTL time.Duration
	// TokenReviewsPerSecond and AccessReviewsPerSecond replace their defaults.
	TokenReviewsPerSecond, AccessReviewsPerSecond float64
	// Timeout and CacheSize replace their defaults.
	Timeout   time.Duration
	CacheSize int
	// Registerer takes the metrics; nil leaves them unregistered.
	Registerer prometheus.Registerer
}

// Access authenticates tokens and authorizes users. It is safe for concurrent use and has no
// goroutines but those that wait for the API server.
type Access struct {
	authentication    authenticationv1client.TokenReviewInterface
	authorization     authorizationv1client.SubjectAccessReviewInterface
	issuers           []string
	audiences         []string
	apiServerAudience bool
	tokens            *reviews[*authenticated]
	rights            *reviews[struct{}]
}

// New returns an Access, or an error for Options that make no sense.
func New(o Options) (*Access, error) {
	if o.Authentication == nil || o.Authorization == nil {
		return nil, errors.New("create access: Authentication and Authorization are required")
	}
	if o.TTL > DefaultTTL {
		return nil, errors.New("create access: TTL must not be above 60s")
	}
	if len(o.Audiences) == 0 {
		o.Audiences = []string{Audience}
	}
	tokens, rights := newMetrics(o.Registerer)
	away := &outage{}
	a := &Access{
		authentication:    o.Authentication.TokenReviews(),
		authorization:     o.Authorization.SubjectAccessReviews(),
		issuers:           o.Issuers,
		audiences:         o.Audiences,
		apiServerAudience: o.AllowAPIServerAudience,
		tokens:            newReviews[*authenticated](o, tokens, away),
		rights:            newReviews[struct{}](o, rights, away),
	}
	a.tokens.budget = newBudget(or(o.TokenReviewsPerSecond, DefaultTokenReviewsPerSecond))
	a.rights.budget = newBudget(or(o.AccessReviewsPerSecond, DefaultAccessReviewsPerSecond))
	return a, nil
}

// NewForConfig is New with clients for the API server of config, which have no rate limit but the
// ones of Options.
func NewForConfig(config *rest.Config, o Options) (*Access, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.RateLimiter = nil
	authentication, err := authenticationv1client.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	authorization, err := authorizationv1client.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	o.Authentication, o.Authorization = authentication, authorization
	return New(o)
}

func newReviews[V any](o Options, m *reviewMetrics, away *outage) *reviews[V] {
	size := or(o.CacheSize, DefaultCacheSize)
	return &reviews[V]{
		ttl:       or(o.TTL, DefaultTTL),
		deniedTTL: or(o.DeniedTTL, DefaultDeniedTTL),
		timeout:   or(o.Timeout, DefaultTimeout),
		allowed:   newLRU[answer[V]](size),
		denied:    newLRU[denial](size),
		outage:    away,
		metrics:   m,
	}
}

// or returns value, or fallback when value is zero.
func or[T int | float64 | time.Duration](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
}
