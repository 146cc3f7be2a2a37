// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// patience bounds every wait of these tests.
const patience = 60 * time.Second

// dispatcher is a running process.
type dispatcher struct {
	t    *testing.T
	cmd  *exec.Cmd
	http *http.Client
	// started is what its log said at the start.
	started struct {
		Ingest  string `json:"ingestAddress"`
		Health  string `json:"healthAddress"`
		Metrics string `json:"metricsAddress"`
	}
	mu  sync.Mutex
	log bytes.Buffer
}

// startDispatcher runs the binary on free ports, with more flags, and returns once it says that it started.
func startDispatcher(t *testing.T, cluster *rest.Config, flags ...string) *dispatcher {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	// The receivers share the API server's address here, which must then be listed by itself.
	if err := os.WriteFile(config, []byte("egress: {allow: [127.0.0.1]}\nstorage: {maxBytes: 256Mi}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &dispatcher{t: t, http: &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}}
	d.cmd = exec.Command(binary, append([]string{
		"--config", config, "--data-dir", filepath.Join(dir, "data"), "--kubeconfig", kubeconfig(t, cluster),
		"--namespace", ownNamespace, "--ingest-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0",
		"--metrics-address", "127.0.0.1:0",
	}, flags...)...)
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.end)
	started := make(chan struct{})
	go d.read(stderr, started)
	select {
	case <-started:
	case <-time.After(patience):
		t.Fatal("the dispatcher did not start")
	}
	return d
}

// read keeps the log, and learns the addresses from it.
func (d *dispatcher) read(from io.Reader, started chan<- struct{}) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		d.mu.Lock()
		d.log.Write(append(lines.Bytes(), '\n'))
		d.mu.Unlock()
		if strings.Contains(lines.Text(), `"Started dispatcher"`) && json.Unmarshal(lines.Bytes(), &d.started) == nil {
			close(started)
		}
	}
}

// end kills a process that still runs, and shows its log when the test failed.
func (d *dispatcher) end() {
	if d.cmd.ProcessState == nil {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
	}
	d.http.CloseIdleConnections()
	if d.t.Failed() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.t.Log("log of the dispatcher:\n" + d.log.String())
	}
}

// stop asks the process to end, and waits until it has.
func (d *dispatcher) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return d.cmd.Wait()
}

// do sends a request with a token; an empty one means none.
func (d *dispatcher) do(method, url, token string, header map[string]string, body string) (int, string) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := d.http.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer.StatusCode, string(content)
}

// post posts an event of the type com.example.order.placed.
func (d *dispatcher) post(namespace, token, id string) (int, string) {
	d.t.Helper()
	return d.do(http.MethodPost, "http://"+d.started.Ingest+"/v1/namespaces/"+namespace+"/events", token,
		map[string]string{"Content-Type": "application/cloudevents+json"},
		fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/shop","type":"com.example.order.placed","data":{"total":42}}`, id))
}

// get reads a path of the ingest address.
func (d *dispatcher) get(path, token string) (int, string) {
	d.t.Helper()
	return d.do(http.MethodGet, "http://"+d.started.Ingest+path, token, nil, "")
}
