// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// LabelSelector matches the labels of objects: all of matchLabels and of matchExpressions. It is that
// of Kubernetes, with bounds.
type LabelSelector struct {
	// matchLabels are labels that an object must have, with these values: at most 32.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// matchExpressions are requirements that an object's labels must meet: at most 32.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	MatchExpressions []LabelRequirement `json:"matchExpressions,omitempty"`
}

// LabelRequirement is a requirement on one label.
//
// +kubebuilder:validation:XValidation:rule="(self.operator in ['In', 'NotIn']) == has(self.values)",message="values must be set for the operators In and NotIn, and for no other: add values, or change operator"
type LabelRequirement struct {
	// key of the label.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",message="key must be the key of a label, such as app.kubernetes.io/name"
	Key string `json:"key,omitempty"`

	// operator is In, NotIn, Exists or DoesNotExist.
	//
	// +required
	Operator LabelOperator `json:"operator,omitempty"`

	// values for In and NotIn: 1 to 32.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Values []LabelValue `json:"values,omitempty"`
}

// LabelOperator is how a label is compared.
//
// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
type LabelOperator string

// How a label is compared.
const (
	// LabelOperatorIn means that the label is there, with one of the values.
	LabelOperatorIn LabelOperator = "In"
	// LabelOperatorNotIn means that the label is absent, or has none of the values.
	LabelOperatorNotIn LabelOperator = "NotIn"
	// LabelOperatorExists means that the label is there.
	LabelOperatorExists LabelOperator = "Exists"
	// LabelOperatorDoesNotExist means that the label is absent.
	LabelOperatorDoesNotExist LabelOperator = "DoesNotExist"
)

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(|[A-Za-z0-9]|[A-Za-z0-9][-A-Za-z0-9_.]*[A-Za-z0-9])$`
type LabelValue string

// AsSelector returns what the selector means; a nil one matches everything.
func (s *LabelSelector) AsSelector() (labels.Selector, error) {
	if s == nil {
		return labels.Everything(), nil
	}
	full := &metav1.LabelSelector{MatchLabels: make(map[string]string, len(s.MatchLabels))}
	for key, value := range s.MatchLabels {
		full.MatchLabels[key] = string(value)
	}
	for _, r := range s.MatchExpressions {
		full.MatchExpressions = append(full.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: r.Key, Operator: metav1.LabelSelectorOperator(r.Operator), Values: texts(r.Values),
		})
	}
	return metav1.LabelSelectorAsSelector(full)
}

func texts(values []LabelValue) []string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}
