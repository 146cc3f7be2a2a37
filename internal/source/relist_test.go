// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

func TestRunner_TellsTheNetEffectOfWhatTheAPIServerHasForgotten(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("all", nil)
	w.source("patches", func(s *hookv1.WebhookEventSourceSpec) { s.Data = &hookv1.EventData{Form: hookv1.DataFormPatch} })
	w.source("there", func(s *hookv1.WebhookEventSourceSpec) {
		s.When = &hookv1.When{Expression: `object.metadata.name == "gone" && operation != "Deleted"`, Emit: hookv1.EmitBoth}
	})
	w.awaitWatching("all")
	w.awaitWatching("patches")
	w.awaitWatching("there")
	kept, same, gone := w.configMap("kept", map[string]string{"a": "0"}), w.configMap("same", nil), w.configMap("gone", nil)
	w.create(kept, same, gone)
	created := []string{"kept configmap.created", "same configmap.created", "gone configmap.created"}
	w.eventually("they are told", w.toldOf("all", created...))
	w.eventually("they are told", w.toldOf("patches", created...))
	w.eventually("it has turned", w.toldOf("there", "gone configmap.created"))
	w.stop()
	for i := range 3 {
		kept.Data = map[string]string{"a": fmt.Sprint(i + 1)}
		w.update(kept)
		same.Data = map[string]string{"b": fmt.Sprint(i)}
		w.update(same)
	}
	same.Data = nil
	w.update(same)
	w.delete(gone)
	w.create(w.configMap("new", nil))
	w.compact()
	w.start()
	net := append(created, "kept configmap.updated net", "gone configmap.deleted net", "new configmap.created net")
	w.eventually("the net effect is told", w.toldOf("all", net...))
	w.eventually("the net effect is told", w.toldOf("patches", net...))
	w.eventually("it is over", w.toldOf("there", "gone configmap.created", "gone configmap.deleted.recovered net"))
	for _, e := range w.events() {
		if tellOf(e) == "patches kept configmap.updated net" && !bytes.Contains(e.Data, []byte(`{"op":"replace","path":"/data/a","value":"3"}`)) {
			t.Errorf("the patch is of another difference: %s", e.Data)
		}
	}
}

// compact has etcd and the API server forget everything but what there is now.
func (w *world) compact() {
	w.Helper()
	etcd := func(path string, body any, into any) {
		w.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			w.Fatal(err)
		}
		r, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.plane.EtcdURL()+path, bytes.NewReader(text))
		if err != nil {
			w.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			w.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			w.Fatalf("etcd answers %s to %s", answer.Status, path)
		}
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			w.Fatal(err)
		}
	}
	var now struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	etcd("/v3/kv/range", map[string]any{"key": "AA=="}, &now)
	etcd("/v3/kv/compaction", map[string]any{"revision": now.Header.Revision, "physical": true}, &struct{}{})
	// The API server keeps what it has watched in memory, until it is started again.
	if err := w.plane.StopAPIServer(); err != nil {
		w.Fatal(err)
	}
	if err := w.plane.StartAPIServer(); err != nil {
		w.Fatal(err)
	}
}

func TestRunner_BeginsWhenAKindIsServed(t *testing.T) {
	w := newWorld(t)
	w.grant("operator", "lamps")
	w.start()
	w.source("lamps", func(s *hookv1.WebhookEventSourceSpec) {
		s.ServiceAccountName = "operator"
		s.Resources = []hookv1.WatchedResource{{APIVersion: "example.com/v1", Kind: "Lamp"}}
		s.When = &hookv1.When{Expression: "object.spec.watts > 100"}
	})
	w.eventually("the kind is missing", func() error {
		if f := w.facts("lamps"); f.Watching.Reason != hookv1.ReasonKindNotServed {
			return fmt.Errorf("Watching is %+v", f.Watching)
		}
		return nil
	})
	preserve := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "lamps.example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "example.com", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "lamps", Singular: "lamp", Kind: "Lamp", ListKind: "LampList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: &preserve,
				}},
			}},
		},
	}
	w.create(crd)
	w.awaitWatching("lamps")
	lamp := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Lamp",
		"metadata": map[string]any{"namespace": w.namespace, "name": "desk"},
		"spec":     map[string]any{"watts": int64(150)},
	}}
	w.create(lamp)
	w.awaitTold("lamps desk lamp.created")
	w.delete(crd)
	w.eventually("the kind is missing again", func() error {
		if f := w.facts("lamps"); f.Watching.Reason != hookv1.ReasonKindNotServed {
			return fmt.Errorf("Watching is %+v", f.Watching)
		}
		return nil
	})
	w.awaitTold("lamps desk lamp.created", "lamps desk lamp.deleted")
}

func TestRunner_ReadsWhatIsAbsentAsTheSchemaHasIt(t *testing.T) {
	w := newWorld(t)
	w.grant("deployer", "deployments")
	w.start()
	w.source("short", func(s *hookv1.WebhookEventSourceSpec) {
		s.ServiceAccountName = "deployer"
		s.Resources = []hookv1.WatchedResource{{APIVersion: "apps/v1", Kind: "Deployment"}}
		s.When = &hookv1.When{Expression: "object.status.availableReplicas < object.spec.replicas", Emit: hookv1.EmitBoth}
	})
	w.awaitWatching("short")
	replicas := int32(2)
	labels := map[string]string{"app": "shop"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "shop"}}},
			},
		},
	}
	w.create(d)
	d.Status.Replicas, d.Status.AvailableReplicas, d.Status.ReadyReplicas = 2, 2, 2
	if err := w.client.Status().Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	w.awaitTold("short shop deployment.created", "short shop deployment.updated.recovered")
}
