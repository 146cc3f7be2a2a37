// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"strings"
)

// issuer is the issuer of ServiceAccounts' tokens, and the audience of the API server itself.
const issuer = "https://kubernetes.default.svc.cluster.local"

// auditPolicy records who did what to which object, once a request, without bodies.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
`

// controllers are those that act on objects alone. The rest wait for nodes, clouds and pods, and cost a
// second of CPU at every start.
var controllers = []string{
	"namespace-controller",
	"garbage-collector-controller",
	"serviceaccount-controller",
	"clusterrole-aggregation-controller",
	"root-ca-certificate-publisher-controller",
	"resourcequota-controller",
}

func (c *ControlPlane) etcdURL() string {
	return fmt.Sprintf("http://127.0.0.1:%d", c.etcdPort)
}

func (c *ControlPlane) etcdFlags() []string {
	return []string{
		"--data-dir=" + c.path("etcd"),
		"--listen-client-urls=" + c.etcdURL(),
		"--advertise-client-urls=" + c.etcdURL(),
		"--listen-peer-urls=http://127.0.0.1:0",
		// The data ends with the test; waiting for the disk would make up most of the start.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

func (c *ControlPlane) apiServerFlags() []string {
	flags := []string{
		"--etcd-servers=" + c.etcdURL(),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.apiServerPort),
		// The reconciler refuses a loopback address for the endpoints of the Service kubernetes.
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + c.keys.certFile("apiserver"),
		"--tls-private-key-file=" + c.keys.keyFile("apiserver"),
		"--client-ca-file=" + c.keys.certFile(caName),
		"--authorization-mode=RBAC",
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + c.keys.publicKeyFile(serviceAccountName),
		"--service-account-signing-key-file=" + c.keys.keyFile(serviceAccountName),
		"--service-cluster-ip-range=" + c.options.ServiceRange,
		"--requestheader-client-ca-file=" + c.keys.certFile(frontProxyCAName),
		"--requestheader-allowed-names=" + userFrontProxy.name,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.keys.certFile(userFrontProxy.file),
		"--proxy-client-key-file=" + c.keys.keyFile(userFrontProxy.file),
		"--enable-aggregator-routing=true",
		// Without nodes, nobody admits what a pod's ServiceAccount would need.
		"--disable-admission-plugins=ServiceAccount",
	}
	if c.options.Audit {
		flags = append(flags,
			"--audit-policy-file="+c.path("audit-policy.yaml"),
			"--audit-log-path="+c.AuditLog(),
			// The default batches, so that a test could not read what it has just done.
			"--audit-log-mode=blocking",
		)
	}
	return append(flags, c.options.APIServerFlags...)
}

func (c *ControlPlane) controllerManagerFlags() []string {
	kubeconfig := c.path("controller-manager.kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--controllers=" + strings.Join(controllers, ","),
		"--service-account-private-key-file=" + c.keys.keyFile(serviceAccountName),
		"--root-ca-file=" + c.keys.certFile(caName),
		"--use-service-account-credentials",
		"--leader-elect=false",
		"--secure-port=0",
		// With the defaults its own rate limit takes 5 of the 6 seconds that it needs to start.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}
