// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

// kubectl runs kubectl as the cluster's administrator, and shows the command and what it prints.
func (d *demo) kubectl(ctx context.Context, args ...string) error {
	d.command("kubectl " + strings.Join(args, " "))
	out, err := d.kubectlQuiet(ctx, args...)
	d.output(out)
	return err
}

// kubectlQuiet runs kubectl and returns what it prints.
func (d *demo) kubectlQuiet(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.plane.Kubectl(), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.plane.Kubeconfig())
	return runChild(cmd)
}

// runChild runs a command to its end. The error holds what it wrote to standard error.
func runChild(cmd *exec.Cmd) ([]byte, error) {
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s: %w: %s", cmd.Args[1], err, bytes.TrimSpace(problem.Bytes()))
	}
	return out.Bytes(), nil
}

// call is an HTTP request that the demo makes with curl, so that the reader can make it too.
type call struct {
	method string // GET unless set
	url    string
	token  string // name of the variable with the token; empty for none
	kind   string // Content-Type of the body
	body   string
	// unknown says that the server's certificate is one that it made for itself
	unknown bool
}

// String is the command, with the token's variable in place of the token.
func (c call) String() string {
	line := "curl -sS"
	if c.unknown {
		line += " -k"
	}
	if c.method != "" {
		line += " -X " + c.method
	}
	line += " '" + c.url + "'"
	if c.token != "" {
		line += " \\\n-H \"Authorization: Bearer $" + c.token + "\""
	}
	if c.body != "" {
		line += " -H 'Content-Type: " + c.kind + "' \\\n-d '" + c.body + "'"
	}
	return line
}

// curl shows the command, makes the request, and returns the answer, which must be a 2xx.
func (d *demo) curl(ctx context.Context, c call) ([]byte, error) {
	d.command(c.String())
	program, err := exec.LookPath("curl")
	if errors.Is(err, exec.ErrNotFound) {
		d.say("(There is no curl here: the demo makes the same request itself.)")
		return d.request(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	args := []string{"--silent", "--show-error", "--fail-with-body", "--noproxy", "*", "--max-time", "20"}
	if c.method != "" {
		args = append(args, "--request", c.method)
	}
	if c.unknown {
		args = append(args, "--insecure")
	}
	if c.token != "" {
		args = append(args, "--header", "Authorization: Bearer "+d.tokens[c.token])
	}
	if c.body != "" {
		args = append(args, "--header", "Content-Type: "+c.kind, "--data-binary", c.body)
	}
	answer, err := runChild(exec.CommandContext(ctx, program, append(args, c.url)...))
	if err != nil {
		return answer, fmt.Errorf("curl %s: %w: %s", c.url, err, answer)
	}
	return answer, nil
}

// request makes a request without curl.
func (d *demo) request(ctx context.Context, c call) ([]byte, error) {
	method := c.method
	if method == "" && c.body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(c.body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+d.tokens[c.token])
	}
	if c.kind != "" {
		request.Header.Set("Content-Type", c.kind)
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: c.unknown}, DisableKeepAlives: true,
	}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		return answer, fmt.Errorf("%s: %s: %s", c.url, response.Status, answer)
	}
	return answer, nil
}
