// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// deliveries is a page of the delivery log.
type deliveries struct {
	Items []struct {
		DeliveryID string `json:"deliveryID"`
		EventID    string `json:"eventID"`
		Endpoint   string `json:"endpoint"`
	} `json:"items"`
}

// deliveryLog asks Posthorn for the delivery log as somebody. The API server's proxy cannot do that: it keeps the
// caller's token to itself.
type deliveryLog struct {
	client *http.Client
	url    string
	token  string
}

// forwarded is what kubectl port-forward prints when it listens.
var forwarded = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:[0-9]+) `)

// openLog asks there with the token until the spec ends.
func openLog(ctx context.Context, token string) deliveryLog {
	GinkgoHelper()
	client, address := forward(ctx, "posthorn", 443)
	return deliveryLog{url: "https://" + address, token: token, client: client}
}

// forward forwards a port of this machine to a Service's port until the spec ends. It returns the address, and a client
// that knows the dispatcher by its certificate.
func forward(ctx context.Context, service string, port int) (client *http.Client, address string) {
	GinkgoHelper()
	pool := x509.NewCertPool()
	Expect(pool.AppendCertsFromPEM([]byte(authority(ctx)))).To(BeTrue(), "the certificate authority of ingest")

	command := exec.CommandContext(ctx, "kubectl", "port-forward", "service/"+service, fmt.Sprintf(":%d", port),
		"--address=127.0.0.1", "--namespace", system)
	command.Stderr = GinkgoWriter
	stdout, err := command.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(command.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	lines := bufio.NewScanner(stdout)
	Expect(lines.Scan()).To(BeTrue(), "kubectl port-forward printed nothing")
	match := forwarded.FindStringSubmatch(lines.Text())
	Expect(match).NotTo(BeNil(), lines.Text())
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: pool, ServerName: "posthorn." + system + ".svc", MinVersion: tls.VersionTLS12,
	}}}, match[1]
}

// get returns the status of the answer, and reads its body unless into is nil.
func (l deliveryLog) get(ctx context.Context, path string, into any) int {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+path, http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+l.token)
	answer, err := l.client.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer answer.Body.Close()
	if into != nil && answer.StatusCode == http.StatusOK {
		Expect(json.NewDecoder(answer.Body).Decode(into)).To(Succeed())
	}
	return answer.StatusCode
}
