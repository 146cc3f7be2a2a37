// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/edge"
)

// EventSource is a WebhookEventSource with everything that its spec leaves out filled in. It is
// immutable; a change of spec makes a new one.
type EventSource struct {
	Name delivery.Name
	// UID and Generation are those of the object that was compiled.
	UID        string
	Generation int64
	// ServiceAccount is whose rights apply: the name of a ServiceAccount of the source's namespace.
	ServiceAccount string
	// Resources are the kinds to watch, each group and kind once.
	Resources []Resource
	// Namespaces are those in which objects are looked at.
	Namespaces Namespaces
	// Operations are those that become events.
	Operations []change.Operation
	// When is the condition under which a change becomes an event; nil where every change does. Its
	// expression is only known to compile if the operator says so: it depends on the schemas of the
	// resources.
	When *edge.Policy
	// Form is how much an event tells about its object.
	Form change.Form
	// Redact is what is taken out of objects before anything looks at them.
	Redact change.Redaction
	// Occurrences chooses among Kubernetes Events.
	Occurrences Occurrences
	// EmitInitial reports whether the objects that exist when the source begins are events.
	EmitInitial bool
	// Suspended reports whether the source is stopped.
	Suspended bool
}

// Resource is a kind to watch, and which of its objects are meant.
type Resource struct {
	// Group is empty for the core group.
	Group, Version, Kind string
	// Labels matches the labels of objects.
	Labels labels.Selector
	// Fields is the field selector, for the API server to evaluate; empty for all objects. Equal
	// selectors are equal strings.
	Fields string
}

// MetadataOnly reports whether no more than the metadata of the objects may be read: they are Secrets.
func (r Resource) MetadataOnly() bool { return r.Group == "" && r.Kind == "Secret" }

// Namespaces are those in which a source looks at objects.
type Namespaces struct {
	// From says which are meant.
	From hookv1.FromNamespaces
	// Selector matches the labels of namespaces where From is Selector; otherwise nil.
	Selector labels.Selector
}

// Admits reports whether a source looks at the objects of a namespace that has these labels. An empty
// name stands for objects without a namespace, which every source looks at: their rights are asked for
// in the whole cluster.
func (s *EventSource) Admits(namespace string, l labels.Labels) bool {
	switch {
	case namespace == "":
		return true
	case s.Namespaces.From == hookv1.FromNamespacesAll:
		return true
	case s.Namespaces.From == hookv1.FromNamespacesSelector:
		return s.Namespaces.Selector.Matches(l)
	default:
		return namespace == s.Name.Namespace
	}
}

// Takes reports whether an operation may become an event.
func (s *EventSource) Takes(o change.Operation) bool { return slices.Contains(s.Operations, o) }

// Occurrences chooses among Kubernetes Events. An empty list admits all.
type Occurrences struct {
	// Series says which occurrences of one Kubernetes Event become events.
	Series change.SeriesPolicy
	// Types, Reasons and RegardingKinds are what a Kubernetes Event must have one of.
	Types, Reasons, RegardingKinds []string
}

// Admits reports whether a Kubernetes Event passes all the lists.
func (o *Occurrences) Admits(e *change.KubernetesEvent) bool {
	return admits(o.Types, e.Type) && admits(o.Reasons, e.Reason) && admits(o.RegardingKinds, e.Regarding.Kind)
}

func admits(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }

// Source compiles an event source, without the expression of when: that needs the schemas of the
// resources. The error is an *Error that names the field.
func Source(obj *hookv1.WebhookEventSource) (*EventSource, error) {
	spec := &obj.Spec
	s := &EventSource{
		Name:           delivery.Name{Namespace: obj.Namespace, Name: obj.Name},
		UID:            string(obj.UID),
		Generation:     obj.Generation,
		ServiceAccount: string(spec.ServiceAccountName),
		Operations:     compileOperations(spec.Operations),
		Form:           change.FormReference,
		Occurrences:    compileOccurrences(spec.KubernetesEvents),
		EmitInitial:    spec.InitialObjects == hookv1.InitialObjectsEmit,
		Suspended:      spec.Suspend != nil && *spec.Suspend,
	}
	if s.ServiceAccount == "" {
		return nil, fieldErrorf("spec.serviceAccountName", "must not be empty: name a ServiceAccount of this namespace")
	}
	var err error
	if s.Resources, err = compileResources(spec.Resources); err != nil {
		return nil, err
	}
	if s.Namespaces, err = compileNamespaces(spec.Namespaces); err != nil {
		return nil, err
	}
	if s.When, err = compileWhen(spec.When); err != nil {
		return nil, err
	}
	if spec.Data != nil {
		if spec.Data.Form != "" {
			s.Form = change.Form(spec.Data.Form)
		}
		if s.Redact, err = change.ParseRedaction(texts(spec.Data.Redact)); err != nil {
			return nil, fieldError("spec.data.redact", err)
		}
	}
	return s, nil
}

func compileResources(list []hookv1.WatchedResource) ([]Resource, error) {
	if len(list) == 0 {
		return nil, fieldErrorf("spec.resources", "must not be empty: name a kind such as apps/v1 Deployment")
	}
	out := make([]Resource, 0, len(list))
	for i := range list {
		r, err := compileResource("spec.resources["+strconv.Itoa(i)+"]", &list[i])
		if err != nil {
			return nil, err
		}
		same := func(other Resource) bool { return other.Group == r.Group && other.Kind == r.Kind }
		if slices.ContainsFunc(out, same) {
			return nil, fieldErrorf("spec.resources["+strconv.Itoa(i)+"]", "%s is named before: choose one version of it", r.Kind)
		}
		out = append(out, r)
	}
	return out, nil
}

func compileResource(path string, w *hookv1.WatchedResource) (Resource, error) {
	gv, err := schema.ParseGroupVersion(w.APIVersion)
	if err != nil || gv.Version == "" {
		return Resource{}, fieldErrorf(path+".apiVersion", "must be group and version as in apps/v1, or v1 for the core group")
	}
	if w.Kind == "" {
		return Resource{}, fieldErrorf(path+".kind", "must not be empty: name a kind such as Deployment")
	}
	r := Resource{Group: gv.Group, Version: gv.Version, Kind: w.Kind}
	if r.Labels, err = w.Selector.AsSelector(); err != nil {
		return Resource{}, fieldError(path+".selector", err)
	}
	selector, err := fields.ParseSelector(w.FieldSelector)
	if err != nil {
		return Resource{}, fieldError(path+".fieldSelector", err)
	}
	r.Fields = selector.String()
	return r, nil
}

func compileNamespaces(n *hookv1.WatchedNamespaces) (Namespaces, error) {
	out := Namespaces{From: hookv1.FromNamespacesSame}
	if n == nil || n.From == "" {
		return out, nil
	}
	out.From = n.From
	if n.From != hookv1.FromNamespacesSelector {
		return out, nil
	}
	if n.Selector == nil {
		return out, fieldErrorf("spec.namespaces.selector", "must be set when from is Selector: add it, or change from")
	}
	var err error
	if out.Selector, err = n.Selector.AsSelector(); err != nil {
		return out, fieldError("spec.namespaces.selector", err)
	}
	return out, nil
}

// compileOperations returns the operations in the order of an object's life, each once.
func compileOperations(list []hookv1.Operation) []change.Operation {
	all := []change.Operation{change.Created, change.Updated, change.Deleted}
	if len(list) == 0 {
		return all
	}
	unwanted := func(o change.Operation) bool { return !slices.Contains(list, hookv1.Operation(o)) }
	return slices.DeleteFunc(all, unwanted)
}

func compileWhen(w *hookv1.When) (*edge.Policy, error) {
	if w == nil {
		return nil, nil
	}
	p := &edge.Policy{Expression: w.Expression, Emit: edge.EveryMatch}
	switch w.Emit {
	case hookv1.EmitOnTransition:
		p.Emit = edge.OnTransition
	case hookv1.EmitBoth:
		p.Emit = edge.Both
	case hookv1.EmitEveryMatch, "":
	}
	if w.For == "" {
		return p, nil
	}
	if p.Emit == edge.EveryMatch {
		return nil, fieldErrorf("spec.when.for", "must go with emit OnTransition or Both: change emit, or remove for")
	}
	var err error
	if p.For, err = w.For.Parse(); err != nil {
		return nil, fieldError("spec.when.for", err)
	}
	return p, nil
}

func compileOccurrences(k *hookv1.KubernetesEvents) Occurrences {
	o := Occurrences{Series: change.SeriesFirst}
	if k == nil {
		return o
	}
	if k.Series != "" {
		o.Series = change.SeriesPolicy(k.Series)
	}
	o.Types, o.Reasons, o.RegardingKinds = texts(k.Types), texts(k.Reasons), texts(k.RegardingKinds)
	return o
}
