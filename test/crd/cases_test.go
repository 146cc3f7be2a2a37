// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// specCase is a spec and what the API server has to say about it.
type specCase struct {
	// spec in YAML.
	spec string
	// field and message are where the refusal points to and how it begins; empty for a spec that is
	// accepted.
	field, message string
}

// casesByKind holds all cases, so that one spec can tell which rule has none.
var casesByKind = map[string][]specCase{}

// describeCases declares one spec for each case. Names are sentences without their subject.
func describeCases(kind, text string, cases map[string]specCase) bool {
	return Describe(kind+" "+text, func() {
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			tc := cases[name]
			casesByKind[kind] = append(casesByKind[kind], tc)
			if tc.field == "" {
				It("accepts "+name, func(ctx SpecContext) { Expect(dryRun(ctx, kind, tc.spec)).To(Succeed()) })
				continue
			}
			It("refuses "+name, func(ctx SpecContext) {
				expectRefusal(dryRun(ctx, kind, tc.spec), tc.field, tc.message)
			})
		}
	})
}

// dryRun asks the API server to create an object of the spec without storing it.
func dryRun(ctx context.Context, kind, spec string) error {
	GinkgoHelper()
	return k8s.Create(ctx, newObject(kind, "dry-run", parse(spec)), client.DryRunAll)
}

// newObject makes an object that is not yet stored.
func newObject(kind, name string, spec map[string]any) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	obj.SetGroupVersionKind(hookv1.GroupVersion.WithKind(kind))
	obj.SetNamespace(namespace)
	obj.SetName(name)
	return obj
}

// parse reads YAML, with integers as the API machinery has them.
func parse(text string) map[string]any {
	GinkgoHelper()
	var content map[string]any
	Expect(yaml.Unmarshal([]byte(text), &content)).To(Succeed())
	return integers(content).(map[string]any)
}

// integers turns whole float64s, which is all that JSON knows, into int64s.
func integers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = integers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = integers(v[i])
		}
	case float64:
		return int64(v)
	}
	return value
}

// expectRefusal expects the API server to name the field, with a message that begins as given after
// its "Invalid value: …: ".
func expectRefusal(err error, field, message string) {
	GinkgoHelper()
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "expected a refusal of %s, got: %v", field, err)
	for _, cause := range causes(err) {
		if cause.Field == field && strings.Contains(cause.Message, ": "+message) {
			return
		}
	}
	Fail("no cause names " + field + " with the message " + message + "…: " + err.Error())
}

// causes returns what a refusal objects to.
func causes(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	return status.Status().Details.Causes
}
