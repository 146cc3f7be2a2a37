// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"errors"
	"flag"
	"log/slog"
	"os"
	"time"

	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/config"
)

// defaultNamespace is Posthorn's own namespace where nothing else says so.
const defaultNamespace = "posthorn-system"

// RunOptions configure the process. The zero value with the defaults of BindFlags is what the binary
// runs with.
type RunOptions struct {
	// REST says how to reach the API server; nil means Kubeconfig, or the pod's ServiceAccount.
	REST *rest.Config
	// Kubeconfig is the path of a kubeconfig file; empty means the pod's ServiceAccount.
	Kubeconfig string
	// Config is the path of the platform's configuration file; empty means the built-in defaults.
	Config string
	// DataDir holds the event log. Required.
	DataDir string
	// Namespace is Posthorn's own, where the credentials of endpoints and the Lease are.
	Namespace string
	// WatchNamespaces are the namespaces whose resources are routed; none means all.
	WatchNamespaces config.Namespaces
	// IngestAddress serves ingest, the delivery log and circuits. With CertFile and KeyFile, which are
	// read again when they change, it serves them over TLS.
	IngestAddress, CertFile, KeyFile string
	// HealthAddress serves /healthz and /readyz; "0" means neither.
	HealthAddress string
	// MetricsAddress serves /metrics over TLS to those who may get that path; "0" means to nobody.
	MetricsAddress string
	// MetricsInsecure serves the metrics to everybody, without TLS.
	MetricsInsecure bool
	// AllowUnauthenticatedIngest lets everybody post events to every namespace.
	AllowUnauthenticatedIngest bool
	// AllowAPIServerAudience accepts tokens for the API server itself from producers and readers.
	AllowAPIServerAudience bool
	// TokenIssuers are the issuers whose tokens are looked at; none means the issuer of the token that
	// the dispatcher itself was given.
	TokenIssuers []string
	// StopTimeout is how long a stop waits for requests in flight.
	StopTimeout time.Duration
	// Logger takes what happens; nil means slog.Default.
	Logger *slog.Logger
}

// BindFlags adds the options to a flag set, with their defaults. The namespace comes from the variable
// POD_NAMESPACE unless the flag names one.
func (o *RunOptions) BindFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.Config, "config", "", "`file` of the platform's configuration (default none)")
	fs.StringVar(&o.DataDir, "data-dir", "", "`directory` of the event log; required")
	fs.StringVar(&o.Namespace, "namespace", namespaceFromEnvironment(),
		"Posthorn's own `namespace`; the variable POD_NAMESPACE changes the default")
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig `file` (default the pod's ServiceAccount)")
	fs.Var(&o.WatchNamespaces, "watch-namespaces",
		"`names` of the namespaces whose resources are routed, separated by commas (default all)")
	fs.StringVar(&o.IngestAddress, "ingest-address", ":8080", "`address` of ingest, the delivery log and circuits")
	fs.StringVar(&o.CertFile, "tls-cert-file", "", "certificate `file` of that address, PEM; with --tls-key-file it speaks TLS")
	fs.StringVar(&o.KeyFile, "tls-key-file", "", "key `file` of the certificate, PEM")
	fs.StringVar(&o.HealthAddress, "health-address", ":8081", "`address` of /healthz and /readyz; 0 for none")
	fs.StringVar(&o.MetricsAddress, "metrics-address", ":8082",
		"`address` of /metrics, over TLS, for those who may get the path /metrics; 0 for none")
	fs.BoolVar(&o.MetricsInsecure, "metrics-insecure", false, "serve the metrics to everybody, without TLS")
	fs.BoolVar(&o.AllowUnauthenticatedIngest, "allow-unauthenticated-ingest", false,
		"let everybody post events to every namespace")
	fs.BoolVar(&o.AllowAPIServerAudience, "allow-api-server-audience", false,
		"also accept tokens that are meant for the API server itself")
	fs.Func("token-issuer", "`issuer` of the tokens of callers; may be repeated (default that of the dispatcher's own token)",
		func(s string) error {
			if s == "" {
				return errors.New("an issuer is not empty")
			}
			o.TokenIssuers = append(o.TokenIssuers, s)
			return nil
		})
	fs.DurationVar(&o.StopTimeout, "stop-timeout", 65*time.Second, "how long a stop waits for requests in flight")
}

// namespaceFromEnvironment is the default of the flag --namespace.
func namespaceFromEnvironment() string {
	if ns := os.Getenv("POD_NAMESPACE"); ns != "" {
		return ns
	}
	return defaultNamespace
}

// none is the address of a server that is not to be there.
const none = "0"

// complete sets what may be left out, and refuses what may not.
func (o *RunOptions) complete() error {
	if o.DataDir == "" {
		return errors.New("the place of the event log is not known: set --data-dir")
	}
	if o.Namespace == "" {
		return errors.New("the namespace is not known: set --namespace or the variable POD_NAMESPACE")
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return errors.New("TLS takes both a certificate and its key: set --tls-cert-file and --tls-key-file, or neither")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}
