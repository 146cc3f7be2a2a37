// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/posthorn-dev/posthorn/internal/when"
)

var _ = Describe("Expressions over objects", func() {
	// openAPI returns what the API server publishes of a group and version.
	openAPI := func(path string) []byte {
		GinkgoHelper()
		documents, err := discovery.NewDiscoveryClientForConfigOrDie(cluster.Config()).OpenAPIV3().Paths()
		Expect(err).NotTo(HaveOccurred())
		Expect(documents).To(HaveKey(path))
		document, err := documents[path].Schema("application/json")
		Expect(err).NotTo(HaveOccurred())
		return document
	}

	// schema returns that of a kind.
	schema := func(path, group, version, kind string) *when.Schema {
		GinkgoHelper()
		s, err := when.SchemaFor(openAPI(path), group, version, kind)
		Expect(err).NotTo(HaveOccurred())
		return s
	}

	It("are checked against what the API server publishes of a built-in kind", func() {
		s := schema("apis/apps/v1", "apps", "v1", "Deployment")
		_, err := when.Compile("object.spec.replica > 1", s)
		Expect(err).To(MatchError("expression: line 1, column 12: object.spec.replica does not exist; the nearest is replicas"))
		_, err = when.Compile("object.metadata.managedFields.size() > 0", s)
		Expect(err).To(MatchError(ContainSubstring("is not shown to expressions")))
	})

	It("are checked against what the API server publishes of a custom kind", func() {
		s := schema("apis/posthorn.dev/v1alpha1", "posthorn.dev", "v1alpha1", "WebhookEndpoint")
		_, err := when.Compile(`object.status.conditions.exists(c, c.type == "Ready" && c.status == "False") && object.status.circuit.state == "Open"`, s)
		Expect(err).NotTo(HaveOccurred())
		_, err = when.Compile("object.spec.serviceRef.prot == 80", s)
		Expect(err).To(MatchError(ContainSubstring("object.spec.serviceRef.prot does not exist; the nearest is port")))
	})

	It("hold of a Deployment without any available replica, until there are enough", func(ctx SpecContext) {
		p, err := when.Compile("object.status.availableReplicas < object.spec.replicas", schema("apis/apps/v1", "apps", "v1", "Deployment"))
		Expect(err).NotTo(HaveOccurred())
		labels := map[string]string{"app": "web"}
		deployment := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "web-", Namespace: namespace},
			Spec: appsv1.DeploymentSpec{
				Replicas: new(int32(3)),
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
				},
			},
		}
		Expect(k8s.Create(ctx, deployment)).To(Succeed())
		Expect(evaluated(ctx, p, deployment)).To(BeTrue())

		deployment.Status = appsv1.DeploymentStatus{Replicas: 3, ReadyReplicas: 3, AvailableReplicas: 3}
		Expect(k8s.Status().Update(ctx, deployment)).To(Succeed())
		Expect(evaluated(ctx, p, deployment)).To(BeFalse())
	})

	It("can be compiled for every kind that the API server serves", func() {
		documents, err := discovery.NewDiscoveryClientForConfigOrDie(cluster.Config()).OpenAPIV3().Paths()
		Expect(err).NotTo(HaveOccurred())
		compiled := 0
		for path, d := range documents {
			group, version, found := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, "apis/"), "api/"), "/")
			if strings.HasPrefix(path, "api/") {
				group, version, found = "", group, true
			}
			if !found {
				continue
			}
			document, err := d.Schema("application/json")
			Expect(err).NotTo(HaveOccurred())
			for _, kind := range listed(document, group, version) {
				s, err := when.SchemaFor(document, group, version, kind)
				if errors.Is(err, when.ErrNoSchema) {
					continue
				}
				Expect(err).NotTo(HaveOccurred(), "%s %s", path, kind)
				_, err = when.Compile(`object.metadata.generation > 1 && object.kind != ""`, s)
				Expect(err).NotTo(HaveOccurred(), "%s %s", path, kind)
				compiled++
			}
		}
		Expect(compiled).To(BeNumerically(">", 50))
	})
})

// evaluated evaluates an expression over an object as the API server has it.
func evaluated(ctx context.Context, p *when.Program, object client.Object) bool {
	GinkgoHelper()
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("apps/v1")
	u.SetKind("Deployment")
	Expect(k8s.Get(ctx, client.ObjectKeyFromObject(object), u)).To(Succeed())
	result, err := p.Eval(when.Updated, u.Object, u.Object)
	Expect(err).NotTo(HaveOccurred())
	return result
}

// listed returns the kinds of which there are lists in a document.
func listed(document []byte, group, version string) []string {
	GinkgoHelper()
	var d struct {
		Components struct {
			Schemas map[string]struct {
				Kinds []metav1.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
			} `json:"schemas"`
		} `json:"components"`
	}
	Expect(json.Unmarshal(document, &d)).To(Succeed())
	var kinds []string
	for _, s := range d.Components.Schemas {
		for _, k := range s.Kinds {
			if kind, isList := strings.CutSuffix(k.Kind, "List"); isList && k.Group == group && k.Version == version {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}
