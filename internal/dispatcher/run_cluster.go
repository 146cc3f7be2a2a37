// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/posthorn-dev/posthorn/internal/access"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

// resolveTimeout bounds the look at the API server's own address.
const resolveTimeout = 10 * time.Second

// connection returns how the API server is reached. It has no rate limit of the client's own: routing
// reads by watches, and access and status keep budgets of theirs.
func (o *RunOptions) connection() (*rest.Config, error) {
	config := o.REST
	if config == nil {
		var err error
		// An empty path means the pod's ServiceAccount.
		if config, err = clientcmd.BuildConfigFromFlags("", o.Kubeconfig); err != nil {
			return nil, fmt.Errorf("find the API server: %w", err)
		}
	}
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.RateLimiter = nil
	config.UserAgent = "posthorn-dispatcher/" + telemetry.Version()
	return config, nil
}

// issuers returns the issuers whose tokens are worth a question to the API server: those of the flag,
// or that of the token that the dispatcher itself was given. None accepts all that the API server does.
func (o *RunOptions) issuers(config *rest.Config) ([]string, error) {
	if len(o.TokenIssuers) > 0 {
		return o.TokenIssuers, nil
	}
	token := config.BearerToken
	if config.BearerTokenFile != "" {
		b, err := os.ReadFile(config.BearerTokenFile)
		if err != nil {
			return nil, fmt.Errorf("read own token: %w", err)
		}
		token = string(b)
	}
	if token == "" {
		o.Logger.Warn("Looks at tokens of every issuer, for want of an own token: --token-issuer narrows it")
		return nil, nil
	}
	issuer, err := access.IssuerOf(token)
	if err != nil {
		return nil, fmt.Errorf("read issuer of own token: %w", err)
	}
	return []string{issuer}, nil
}

// apiServerAddresses returns the addresses under which the dispatcher knows the API server. Nobody's
// webhooks are sent there, which is why a name that does not resolve is an error.
func apiServerAddresses(ctx context.Context, config *rest.Config) ([]netip.Addr, error) {
	host := config.Host
	if u, err := url.Parse(host); err == nil && u.Host != "" {
		host = u.Hostname()
	} else if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve the API server's own address: %w", err)
	}
	return addrs, nil
}
