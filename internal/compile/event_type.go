// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/schema"
)

// maxExampleBytes is how long one example may be.
const maxExampleBytes = 16 << 10

// ErrExample is the cause of an Error about an example that is not valid.
var ErrExample = errors.New("an example violates the schema")

// EventType compiles the description of a type. The error is an *Error that names the field; behind
// one of the schema is the *schema.Error, behind one of an example ErrExample.
func EventType(obj *hookv1.WebhookEventType) (*catalogue.Type, error) {
	t := &catalogue.Type{
		Namespace:   obj.Namespace,
		Name:        obj.Name,
		UID:         string(obj.UID),
		Generation:  obj.Generation,
		Type:        string(obj.Spec.Type),
		Description: obj.Spec.Description,
		Warn:        obj.Spec.Enforcement == hookv1.EnforcementWarn,
	}
	if t.Type == "" {
		return nil, fieldErrorf("spec.type", "must not be empty: name a type such as com.example.order.created")
	}
	if obj.Spec.Schema != nil {
		var err error
		t.Raw = obj.Spec.Schema.Raw
		if t.Schema, err = schema.Compile(t.Raw); err != nil {
			return nil, fieldError("spec.schema", err)
		}
	}
	for i := range obj.Spec.Examples {
		if err := checkExample(t.Schema, &obj.Spec.Examples[i]); err != nil {
			return nil, &Error{Path: fmt.Sprintf("spec.examples[%d]", i), Message: err.Error(), Cause: ErrExample}
		}
		t.Examples = append(t.Examples, obj.Spec.Examples[i].Raw)
	}
	return t, nil
}

// checkExample returns what is wrong with an example.
func checkExample(s *schema.Schema, example *runtime.RawExtension) error {
	if len(example.Raw) > maxExampleBytes {
		return fmt.Errorf("is longer than %d bytes: shorten it", maxExampleBytes)
	}
	if s == nil {
		return nil
	}
	found := s.Validate(example.Raw)
	if len(found) == 0 {
		return nil
	}
	texts := make([]string, len(found))
	for i, v := range found {
		texts[i] = v.String()
	}
	return errors.New(strings.Join(texts, "; ") + ": correct the example, or the schema")
}

// Rules reports whether of two objects that describe the same type a counts: the older one, and of two
// of the same second the first by name.
func Rules(a, b *hookv1.WebhookEventType) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}
