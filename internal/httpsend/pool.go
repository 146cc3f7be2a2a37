// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

const (
	// idleTimeout is how long an idle connection is kept. It is below what most servers wait before
	// they close (nginx 75 s, Go services without a limit), so that few requests meet a connection
	// that is just going away.
	idleTimeout = 30 * time.Second
	// serviceLifetime is how long connections to a Service live: a ClusterIP is balanced by
	// connection, so new ones are needed for pods that came later.
	serviceLifetime = 60 * time.Second
	// connectTimeout bounds the dial and the TLS handshake together. Both go on when the attempt that
	// started them is over, for the next one to use.
	connectTimeout = 30 * time.Second
	// maxResponseHeader bounds the headers of an answer, in bytes.
	maxResponseHeader = 64 << 10
)

// poolKey tells connections apart that must not be shared.
type poolKey struct {
	namespace string
	// tls is a digest of the TLS material; zero for the system's roots and no certificate.
	tls [sha256.Size]byte
	// service is the one address that is dialled; the zero Addr when names are resolved.
	service netip.Addr
	// forTokens sets requests for OAuth2 tokens apart, which present no client certificate.
	forTokens bool
}

// poolSpec is a pool's key with the material behind the digest.
type poolSpec struct {
	poolKey
	tls *delivery.TLS
}

// pool is a set of connections with what they share.
type pool struct {
	key       poolKey
	transport *http.Transport
	direct    *direct
	// protocolResets counts the HTTP/2 streams that receivers reset with PROTOCOL_ERROR; see replay.
	protocolResets atomic.Uint64
	// users are the endpoints that send over it; Client.mu guards them.
	users map[delivery.Name]struct{}
	// expiry ends the pool of a Service; nil for others.
	expiry *time.Timer
}

// endpointPool returns the spec of the pool for requests to the endpoint.
func endpointPool(e *delivery.Endpoint) poolSpec {
	return poolSpec{
		poolKey: poolKey{namespace: e.Name.Namespace, tls: digest(e.TLS), service: e.ServiceIP},
		tls:     e.TLS,
	}
}

// tokenPool returns the spec of the pool for token requests of the endpoint.
func tokenPool(e *delivery.Endpoint) poolSpec {
	var material *delivery.TLS
	if e.TLS != nil && len(e.TLS.CA) > 0 {
		material = &delivery.TLS{CA: e.TLS.CA}
	}
	return poolSpec{
		poolKey: poolKey{namespace: e.Name.Namespace, tls: digest(material), forTokens: true},
		tls:     material,
	}
}

// digest returns a digest that is equal for equal material; each part is preceded by its length.
func digest(m *delivery.TLS) (sum [sha256.Size]byte) {
	if m == nil {
		return sum
	}
	h := sha256.New()
	for _, part := range [][]byte{m.CA, m.Certificate, m.Key, []byte(m.ServerName)} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}

// join returns the pool of the spec with the endpoint among its users; c.mu is held.
func (c *Client) join(spec poolSpec, user delivery.Name) (*pool, error) {
	p := c.pools[spec.poolKey]
	if p == nil {
		var err error
		if p, err = c.newPool(spec); err != nil {
			return nil, err
		}
		c.pools[spec.poolKey] = p
	}
	p.users[user] = struct{}{}
	return p, nil
}

// leave takes the endpoint from the pool's users, and closes the pool behind the last; c.mu is held.
func (c *Client) leave(p *pool, user delivery.Name) {
	delete(p.users, user)
	if len(p.users) == 0 {
		c.drop(p)
	}
}

// drop closes the pool: idle connections at once, and those in use when their request ends, since
// nothing uses the transport after; c.mu is held.
func (c *Client) drop(p *pool) {
	if c.pools[p.key] == p {
		delete(c.pools, p.key)
	}
	if p.expiry != nil {
		p.expiry.Stop()
	}
	p.transport.CloseIdleConnections()
	p.direct.close()
}

// expire drops the pool of a Service at the end of its life. The next request makes a new one.
func (c *Client) expire(p *pool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range p.users {
		if t := c.targets[name]; t != nil && t.pool == p {
			delete(c.targets, name)
		}
	}
	c.drop(p)
}

// newPool makes a pool; c.mu is held.
func (c *Client) newPool(spec poolSpec) (*pool, error) {
	config, err := tlsConfig(spec.tls, spec.forTokens)
	if err != nil {
		return nil, err
	}
	p := &pool{key: spec.poolKey, users: make(map[delivery.Name]struct{})}
	d := &dialer{client: c, key: spec.poolKey, tls: config}
	p.direct = &direct{client: c, dial: d.dial}
	p.transport = &http.Transport{
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		TLSClientConfig:        config.Clone(),
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    c.maxIdlePerHost,
		DisableCompression:     true, // answers are short, and a compressed one could be of any size
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		ExpectContinueTimeout:  time.Second,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	if err := p.offerHTTP2(); err != nil {
		return nil, err
	}
	if c.proxy != nil && !spec.service.IsValid() {
		p.transport.Proxy = c.proxyFor(spec.namespace)
	}
	if spec.service.IsValid() {
		p.expiry = time.AfterFunc(serviceLifetime, func() { c.expire(p) })
	}
	return p, nil
}
