// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package system

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

const (
	samplesDir = "../../config/samples"
	// demoNamespace is the namespace that the samples name.
	demoNamespace = "demo"
	// samplePatience bounds the test of all samples.
	samplePatience = 2 * time.Minute
	// hold stands in for the minutes and hours that the samples wait.
	hold = 2 * time.Second
)

// sampleConfiguration admits the receiver.
const sampleConfiguration = "egress: {allow: [127.0.0.1]}\n"

// TestSamples_TellOfWhatHappensInTheCluster applies the samples that make events of what happens in the cluster, to
// a real operator and a real dispatcher. Each case makes happen what the sample is about, and before that what
// looks like it and is not. No node runs pods here: the statuses are written as kubelet and controllers would.
func TestSamples_TellOfWhatHappensInTheCluster(t *testing.T) {
	s := startSampled(t)
	files := slices.Sorted(maps.Keys(sampleCases))
	for _, file := range files {
		s.apply(t, file)
	}
	s.awaitReady(t)
	t.Run("cases", func(t *testing.T) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(file, ".yaml"), func(t *testing.T) {
				t.Parallel()
				sampleCases[file](t, s)
			})
		}
	})
	// Nothing else was told by the time that all of them had happened.
	want := map[string]int{
		"degraded-deployments": 2, "failed-jobs": 1, "changed-configmaps": 2,
		"expiring-certificates": 2, "oom-killed-pods": 2, "warnings": 1,
	}
	for name, n := range want {
		if got := s.received(name); len(got) != n {
			t.Errorf("%s: received %d events, want %d: %+v", name, len(got), n, got)
		}
	}
}

// sampleCases make happen what the samples are about, by file.
var sampleCases = map[string]func(*testing.T, *sampled){
	"deployment-short-of-replicas.yaml":  deploymentIsShortOfReplicas,
	"job-failed.yaml":                    jobFails,
	"configmap-changed-by-somebody.yaml": somebodyChangesAConfigMap,
	"certificate-about-to-expire.yaml":   certificateIsNotRenewed,
	"pod-out-of-memory.yaml":             podRunsOutOfMemory,
	"warning-event.yaml":                 kubernetesWarns,
}

// sampled is a cluster with a Posthorn, in which samples are applied and their deliveries taken.
type sampled struct {
	*platform.Platform
	ctx    context.Context
	client client.Client
	url    string

	mu     sync.Mutex
	events map[string][]told
}

// told is an event as it arrived.
type told struct {
	event  map[string]any
	header http.Header
	body   []byte
}

// startSampled runs a Posthorn that ends with the test.
func startSampled(t *testing.T) *sampled {
	t.Helper()
	p, err := platform.Start(controlplane.Options{ControllerManager: true})
	must(t, err)
	t.Cleanup(func() { must(t, p.Stop()) })
	ctx, cancel := context.WithTimeout(t.Context(), samplePatience)
	t.Cleanup(cancel)
	s := &sampled{Platform: p, ctx: ctx, events: map[string][]told{}}
	s.client, err = client.New(p.Plane.Config(), client.Options{Scheme: clientgoscheme.Scheme})
	must(t, err)
	receiver := httptest.NewServer(http.HandlerFunc(s.take))
	t.Cleanup(receiver.Close)
	s.url = receiver.URL

	must(t, p.Plane.InstallCRDs("testdata"))
	must(t, p.Admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: demoNamespace}}))
	operator, err := p.NewOperator(ctx, sampleConfiguration, nil)
	must(t, err)
	dispatcher, err := p.NewDispatcher(ctx, platform.DispatcherOptions{Config: sampleConfiguration})
	must(t, err)
	for _, process := range []*platform.Process{operator.Process, dispatcher.Process} {
		must(t, process.Start())
		t.Cleanup(func() {
			process.Kill()
			if t.Failed() {
				t.Logf("%s ended with:\n%s", process.Log(), process.Tail(20))
			}
		})
	}
	must(t, dispatcher.AwaitReady(ctx))
	return s
}

// apply applies a sample as it stands there, but for two things: it sends to the receiver of this test, at a path
// with the endpoint's name, and what must hold for minutes or hours must hold for seconds.
func (s *sampled) apply(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(samplesDir, file))
	must(t, err)
	var documents []string
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		var object metav1.PartialObjectMetadata
		must(t, yaml.Unmarshal([]byte(document), &object))
		documents = append(documents, strings.NewReplacer(
			"http://"+receiverAddress+"/hooks", s.url+"/"+object.Name,
			"for: 2m\n", "for: "+hold.String()+"\n", "for: 1h\n", "for: "+hold.String()+"\n",
		).Replace(document))
	}
	cmd := exec.CommandContext(s.ctx, s.Plane.Kubectl(), "--kubeconfig", s.Plane.Kubeconfig(), "apply", "-n", demoNamespace, "-f", "-")
	cmd.Stdin = strings.NewReader(strings.Join(documents, "\n---\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("apply %s: %v: %s", file, err, out)
	}
}

// awaitReady waits until the next change becomes an event and the event is delivered.
func (s *sampled) awaitReady(t *testing.T) {
	t.Helper()
	must(t, platform.Await(s.ctx, "all sources are Ready", func(ctx context.Context) error {
		var list hookv1.WebhookEventSourceList
		if err := s.Admin.List(ctx, &list, client.InNamespace(demoNamespace)); err != nil {
			return fmt.Errorf("list sources: %w", err)
		}
		if len(list.Items) != len(sampleCases) {
			return fmt.Errorf("there are %d", len(list.Items))
		}
		for _, item := range list.Items {
			if !meta.IsStatusConditionTrue(item.Status.Conditions, hookv1.ConditionReady) {
				return fmt.Errorf("%s has the conditions %+v", item.Name, item.Status.Conditions)
			}
		}
		return nil
	}))
	must(t, s.AwaitSubscriptions(s.ctx, demoNamespace, "all subscriptions are Ready", platform.IsReady))
}

// take takes a delivery.
func (s *sampled) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // broken off while it was sent
	}
	one := told{header: r.Header, body: body}
	if err := json.Unmarshal(body, &one.event); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.Trim(r.URL.Path, "/")
	s.events[name] = append(s.events[name], one)
}

// received returns the events that an endpoint was sent.
func (s *sampled) received(endpoint string) []told {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events[endpoint])
}

// String shows an event.
func (d told) String() string { return string(d.body) }

// attributes of an event that are not the same in every run.
var changing = []string{"id", "time", "data"}

// await waits until an endpoint was sent as many events as are wanted, verifies them, and holds their attributes
// against what is wanted. It returns their data.
func (s *sampled) await(t *testing.T, endpoint string, want ...map[string]any) []map[string]any {
	t.Helper()
	var got []told
	must(t, platform.Await(s.ctx, fmt.Sprintf("%s is sent %d events", endpoint, len(want)), func(context.Context) error {
		if got = s.received(endpoint); len(got) < len(want) {
			return fmt.Errorf("they are %v", got)
		}
		return nil
	}))
	key, err := s.SigningKey(s.ctx, demoNamespace, endpoint)
	must(t, err)
	verifier, err := standardwebhooks.NewWebhook(key)
	must(t, err)
	var all []map[string]any
	for i, one := range got {
		if err := verifier.Verify(one.body, one.header); err != nil {
			t.Errorf("%s: %v", one, err)
		}
		attributes := maps.Clone(one.event)
		for _, name := range changing {
			delete(attributes, name)
		}
		expected := maps.Clone(want[min(i, len(want)-1)])
		maps.Copy(expected, map[string]any{
			"specversion": "1.0", "datacontenttype": "application/json",
			"source": "/namespaces/" + demoNamespace + "/webhookeventsources/" + endpoint,
		})
		if i >= len(want) || !maps.Equal(attributes, expected) {
			t.Errorf("event %d of %s: got %v, want %v", i+1, endpoint, one, expected)
		}
		data, ok := one.event["data"].(map[string]any)
		if !ok {
			t.Fatalf("event %d of %s has no data: %s", i+1, endpoint, one)
		}
		all = append(all, data)
	}
	return all
}

// at returns what stands at a path in data: keys of objects and indices of lists.
func at(t *testing.T, data any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := data.(map[string]any)
			data = object[step]
		case int:
			list, _ := data.([]any)
			if step >= len(list) {
				return nil
			}
			data = list[step]
		}
	}
	return data
}

// create makes an object in the samples' namespace.
func (s *sampled) create(t *testing.T, object client.Object, options ...client.CreateOption) {
	t.Helper()
	must(t, s.client.Create(s.ctx, object, options...))
}

// status writes the status of an object, as the program of a name.
func (s *sampled) status(t *testing.T, object client.Object, manager string) {
	t.Helper()
	must(t, s.client.Status().Update(s.ctx, object, client.FieldOwner(manager)))
}

// nextSecond returns when a new second has begun. Objects tell to the second who changed them last.
func nextSecond() {
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
}

// must ends the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
