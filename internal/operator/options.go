// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/config"
)

// Options configure the operator. The zero value with the defaults of BindFlags is what the binary
// runs with.
type Options struct {
	// REST says how to reach the API server; nil means the kubeconfig flag, the environment or the
	// pod's ServiceAccount, as controller-runtime looks for them.
	REST *rest.Config
	// Namespace is Posthorn's own, where credentials for the dispatcher and the Leases are kept.
	Namespace string
	// Config is the path of the platform's configuration file; empty for the built-in defaults.
	Config string
	// WatchNamespaces are the namespaces whose resources are looked at; none means all.
	WatchNamespaces config.Namespaces
	// IngestNames are the DNS names of the certificate that the operator keeps for ingest; none means that it
	// keeps none.
	IngestNames names
	// LeaderElection lets only one of several replicas work.
	LeaderElection bool
	// HealthAddress serves /healthz and /readyz; "0" serves neither.
	HealthAddress string
	// MetricsAddress serves /metrics over TLS to those who may get that path; "0" serves none.
	MetricsAddress string
	// MetricsCertificates is a directory with tls.crt and tls.key, read again when they change; empty
	// means a certificate that the process makes for itself.
	MetricsCertificates string
	// GracePeriod bounds how long a stop waits for the reconciles under way.
	GracePeriod time.Duration
}

// BindFlags adds the options to a flag set, with their defaults. The namespace comes from the variable
// POD_NAMESPACE unless the flag names one.
func (o *Options) BindFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.Namespace, "namespace", os.Getenv("POD_NAMESPACE"),
		"Posthorn's own namespace (default the variable POD_NAMESPACE)")
	fs.StringVar(&o.Config, "config", "", "path of the platform's configuration file (default none)")
	fs.Var(&o.WatchNamespaces, "watch-namespaces",
		"names of the namespaces whose resources are looked at, separated by commas (default all)")
	fs.Var(&o.IngestNames, "ingest-dns-names",
		"DNS names, separated by commas, of a certificate to keep for ingest in the secret posthorn-dispatcher-tls (default none)")
	fs.BoolVar(&o.LeaderElection, "leader-elect", true, "let only one of several replicas work")
	fs.StringVar(&o.HealthAddress, "health-address", ":8081", "address of /healthz and /readyz; 0 for none")
	fs.StringVar(&o.MetricsAddress, "metrics-address", ":8082",
		"address of /metrics, over TLS, for those who may get the path /metrics; 0 for none")
	fs.StringVar(&o.MetricsCertificates, "metrics-cert-dir", "",
		"directory with tls.crt and tls.key for the metrics (default a self-signed certificate)")
	fs.DurationVar(&o.GracePeriod, "grace-period", 20*time.Second,
		"how long a stop waits for what is under way")
}

// validate reports what is missing.
func (o *Options) validate() error {
	if o.Namespace == "" {
		return errors.New("the namespace is not known: set --namespace or the variable POD_NAMESPACE")
	}
	return nil
}

// names is a flag with DNS names, separated by commas.
type names []string

// String returns the names as the flag is written.
func (n *names) String() string { return strings.Join(*n, ",") }

// Set reads the names.
func (n *names) Set(s string) error {
	*n = nil
	if s == "" {
		return nil
	}
	for name := range strings.SplitSeq(s, ",") {
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
			return fmt.Errorf("%q is no DNS name: %s", name, strings.Join(problems, "; "))
		}
		*n = append(*n, name)
	}
	return nil
}
