// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// tokenLifetime is what Token asks for: longer than any test or demo runs, since nobody renews it.
const tokenLifetime = 7 * 24 * time.Hour

// configOf returns the configuration of a user with a certificate.
func (c *ControlPlane) configOf(u user) *rest.Config {
	config := c.anonymousConfig()
	config.CertFile = c.keys.certFile(u.file)
	config.KeyFile = c.keys.keyFile(u.file)
	return config
}

// anonymousConfig says where the API server is and how to know it, not who asks.
func (c *ControlPlane) anonymousConfig() *rest.Config {
	return &rest.Config{
		Host:            fmt.Sprintf("https://127.0.0.1:%d", c.apiServerPort),
		TLSClientConfig: rest.TLSClientConfig{CAFile: c.keys.certFile(caName)},
		// No limit of the client's own: it would slow tests down and hide what the code under test does.
		QPS: -1,
	}
}

// ConfigFor returns the configuration of a ServiceAccount, which must exist: it has the rights that RBAC
// gives the account, and none of the administrator's. Without audiences its token is for the API server.
func (c *ControlPlane) ConfigFor(
	ctx context.Context, namespace, serviceAccount string, audiences ...string,
) (*rest.Config, error) {
	token, err := c.Token(ctx, namespace, serviceAccount, audiences...)
	if err != nil {
		return nil, err
	}
	config := c.anonymousConfig()
	config.BearerToken = token
	return config, nil
}

// Token returns a new token of a ServiceAccount, which must exist, for the audiences, or for the API server
// when there are none. It is valid for 7 days.
func (c *ControlPlane) Token(
	ctx context.Context, namespace, serviceAccount string, audiences ...string,
) (string, error) {
	return c.TokenFor(ctx, namespace, serviceAccount, tokenLifetime, audiences...)
}

// TokenFor is Token with a lifetime, of which the API server takes no less than 10 minutes.
func (c *ControlPlane) TokenFor(
	ctx context.Context, namespace, serviceAccount string, lifetime time.Duration, audiences ...string,
) (string, error) {
	clients, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		return "", fmt.Errorf("make client: %w", err)
	}
	seconds := int64(lifetime / time.Second)
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds},
	}
	answer, err := clients.CoreV1().ServiceAccounts(namespace).
		CreateToken(ctx, serviceAccount, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("request token of %s/%s: %w", namespace, serviceAccount, err)
	}
	return answer.Status.Token, nil
}

// WriteKubeconfig writes a kubeconfig for a program that runs on its own, with certificates and tokens as
// config has them. Only the owner can read it.
func WriteKubeconfig(path string, config *rest.Config) error {
	const name = "posthorn"
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   config.Host,
		CertificateAuthority:     config.CAFile,
		CertificateAuthorityData: config.CAData,
	}
	kubeconfig.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificate:     config.CertFile,
		ClientCertificateData: config.CertData,
		ClientKey:             config.KeyFile,
		ClientKeyData:         config.KeyData,
		Token:                 config.BearerToken,
	}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name
	if err := clientcmd.WriteToFile(*kubeconfig, path); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}
