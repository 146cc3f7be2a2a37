// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// kube is the cluster that the specs use, as its administrator.
var kube cluster

// cluster reaches an API server as somebody.
type cluster struct {
	config *rest.Config
	client client.Client
	set    kubernetes.Interface
}

// connect reaches the cluster of KUBECONFIG.
func connect() cluster {
	Expect(hookv1.AddToScheme(scheme.Scheme)).To(Succeed())
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	Expect(err).NotTo(HaveOccurred(), "KUBECONFIG must name a cluster; make e2e brings one up")
	return reach(config)
}

func reach(config *rest.Config) cluster {
	// The specs ask a lot at once and wait for the answers.
	config.QPS, config.Burst = 200, 400
	api, err := client.New(config, client.Options{Scheme: scheme.Scheme})
	Expect(err).NotTo(HaveOccurred())
	set, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	return cluster{config: config, client: api, set: set}
}

// as reaches the same cluster with a token of a ServiceAccount, and nothing else.
func (c cluster) as(ctx context.Context, namespace, name string) cluster {
	GinkgoHelper()
	config := rest.AnonymousClientConfig(c.config)
	config.BearerToken = c.token(ctx, namespace, name)
	return reach(config)
}

// token returns a token of a ServiceAccount for the audiences, or for the API server if there are none.
func (c cluster) token(ctx context.Context, namespace, name string, audiences ...string) string {
	GinkgoHelper()
	hour := int64(time.Hour / time.Second)
	token, err := c.set.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour, Audiences: audiences},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return token.Status.Token
}

// run runs helm or kubectl and returns what it printed.
func run(ctx context.Context, program string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir, command.WaitDelay = root(), 5*time.Second
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s", program, strings.Join(arguments, " "), err, &stderr)
	}
	return stdout.String(), nil
}

// kubectl runs kubectl, which must succeed.
func kubectl(ctx context.Context, arguments ...string) string {
	GinkgoHelper()
	out, err := run(ctx, "kubectl", arguments...)
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(out)
}

// apply applies manifests, which must succeed.
func apply(ctx context.Context, manifests string, arguments ...string) {
	GinkgoHelper()
	command := exec.CommandContext(ctx, "kubectl", append([]string{"apply", "-f", "-"}, arguments...)...)
	command.Stdin = strings.NewReader(manifests)
	out, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
}

// mayI asks whether a ServiceAccount, as namespace:name, may do something, in the way that the dispatcher asks about
// callers. A resource is written as name.group/subresource; an empty namespace stands for all of them.
func mayI(ctx context.Context, account, namespace, verb, resource string) bool {
	GinkgoHelper()
	resource, subresource, _ := strings.Cut(resource, "/")
	resource, group, _ := strings.Cut(resource, ".")
	home, _, _ := strings.Cut(account, ":")
	review, err := kube.set.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:   "system:serviceaccount:" + account,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + home, "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource,
			},
		},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return review.Status.Allowed
}

// customResources returns the names of Posthorn's CRDs.
func (c cluster) customResources(ctx context.Context) []string {
	GinkgoHelper()
	out := kubectl(ctx, "get", "customresourcedefinitions", "--output=name")
	var names []string
	for name := range strings.SplitSeq(out, "\n") {
		if strings.HasSuffix(name, ".posthorn.dev") {
			names = append(names, name)
		}
	}
	return names
}

// ask gets JSON from a Service's port named http, through the API server.
func (c cluster) ask(ctx context.Context, namespace, service, path string, into any) error {
	raw, err := c.set.CoreV1().Services(namespace).ProxyGet("http", service, "http", path, nil).DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("ask service %s for %s: %w", service, path, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("parse answer of service %s: %w", service, err)
	}
	return nil
}

// tell posts to a Service's port named http, through the API server; the path may have a query.
func (c cluster) tell(ctx context.Context, namespace, service, path, query, body string) error {
	request := c.set.CoreV1().RESTClient().Post().Namespace(namespace).Resource("services").SubResource("proxy").
		Name(utilnet.JoinSchemeNamePort("http", service, "http")).Suffix(path).Body([]byte(body))
	if name, value, ok := strings.Cut(query, "="); ok {
		request.Param(name, value)
	}
	if _, err := request.DoRaw(ctx); err != nil {
		return fmt.Errorf("tell service %s %s: %w", service, path, err)
	}
	return nil
}

// pods returns the pods of a component of Posthorn that are not on their way out.
func (c cluster) pods(ctx context.Context, component string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := c.client.List(ctx, &list, client.InNamespace(system),
		client.MatchingLabels{"app.kubernetes.io/name": "posthorn", "app.kubernetes.io/component": component})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var pods []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			pods = append(pods, pod)
		}
	}
	return pods, nil
}
