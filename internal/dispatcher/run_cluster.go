// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	discoveryv1client "k8s.io/client-go/kubernetes/typed/discovery/v1"
	networkingv1client "k8s.io/client-go/kubernetes/typed/networking/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/posthorn-dev/posthorn/internal/access"
	"github.com/posthorn-dev/posthorn/internal/config"
	"github.com/posthorn-dev/posthorn/internal/egress"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

// readTimeout bounds each look at what the cluster says of itself.
const readTimeout = 10 * time.Second

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

// newNetwork returns what keeps the rules of egress in step with the cluster, for the sender to go by.
func newNetwork(cluster *rest.Config, platform config.Egress, apply func(*egress.Policy), logger *slog.Logger) (*network, error) {
	slices, err := discoveryv1client.NewForConfig(cluster)
	if err != nil {
		return nil, fmt.Errorf("create client of EndpointSlices: %w", err)
	}
	cidrs, err := networkingv1client.NewForConfig(cluster)
	if err != nil {
		return nil, fmt.Errorf("create client of ServiceCIDRs: %w", err)
	}
	return &network{
		logger: logger,
		rules:  egress.Rules{Allow: platform.Allow, NamespaceAllow: platform.NamespaceAllow, Cluster: platform.ClusterCIDRs},
		apply:  apply,
		apiServer: []*reading[netip.Addr]{
			{what: "own connection", read: func(ctx context.Context) ([]netip.Addr, error) { return hostAddresses(ctx, cluster.Host) }},
			{what: "EndpointSlices of Service default/kubernetes", read: func(ctx context.Context) ([]netip.Addr, error) {
				return endpointAddresses(ctx, slices.EndpointSlices(metav1.NamespaceDefault))
			}},
		},
		services: &reading[netip.Prefix]{what: "ServiceCIDRs", read: func(ctx context.Context) ([]netip.Prefix, error) {
			return serviceRanges(ctx, cidrs.ServiceCIDRs())
		}},
		seen:  map[netip.Addr]time.Time{},
		known: make(chan struct{}),
	}, nil
}

// hostAddresses returns the addresses under which the dispatcher itself knows the API server; in a pod that
// is the ClusterIP of the Service kubernetes.
func hostAddresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if u, err := url.Parse(host); err == nil && u.Host != "" {
		host = u.Hostname()
	} else if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve the API server's own address: %w", err)
	}
	return addrs, nil
}

// endpointAddresses returns the addresses of the API servers themselves, behind the Service kubernetes.
func endpointAddresses(ctx context.Context, client discoveryv1client.EndpointSliceInterface) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := client.List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=kubernetes"})
	if err != nil {
		return nil, fmt.Errorf("list EndpointSlices: %w", err)
	}
	var addrs []netip.Addr
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints { // those that are not ready answer all the same
			for _, text := range endpoint.Addresses {
				if addr, err := netip.ParseAddr(text); err == nil { // else a name, which older versions allow
					addrs = append(addrs, addr)
				}
			}
		}
	}
	return addrs, nil
}

// serviceRanges returns the ranges that Services have their addresses from. Kubernetes knows the kind since
// 1.33; before, there are none to read.
func serviceRanges(ctx context.Context, client networkingv1client.ServiceCIDRInterface) ([]netip.Prefix, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := client.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list ServiceCIDRs: %w", err)
	}
	var ranges []netip.Prefix
	for _, item := range list.Items {
		for _, text := range item.Spec.CIDRs {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return nil, fmt.Errorf("read ServiceCIDR %s: %w", item.Name, err)
			}
			ranges = append(ranges, prefix)
		}
	}
	return ranges, nil
}
