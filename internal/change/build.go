// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// MaxDataBytes is the most that the data of an event may take: the limit of events less room for the attributes,
// so that it fits into the structured content mode as well.
const MaxDataBytes = event.MaxEventBytes - 2*event.MaxAttributeBytes

// The extension attributes of events from Kubernetes objects.
const (
	// ExtensionActor is the field manager that made the change: a string.
	ExtensionActor = "actor"
	// ExtensionChanged are the paths that changed, as JoinPaths writes them: a string.
	ExtensionChanged = "changed"
	// ExtensionNetEffect is true on events for a difference that was found by comparing.
	ExtensionNetEffect = "neteffect"
	// ExtensionTruncated is true where a reference is sent in place of what was asked for.
	ExtensionTruncated = "truncated"
	// ExtensionReason is the reason of a Kubernetes Event.
	ExtensionReason = "reason"
	// ExtensionKubernetesType is the type of a Kubernetes Event: Normal or Warning.
	ExtensionKubernetesType = "kubernetestype"
	// ExtensionRegardingKind and ExtensionRegardingName are kind and name of the object that a Kubernetes Event is about.
	ExtensionRegardingKind = "regardingkind"
	ExtensionRegardingName = "regardingname"
)

// Build makes the event of a change. Data that would take more than MaxDataBytes, or would nest deeper than events
// may, is replaced by the reference, and the event marked as truncated. The event keeps all rules of
// event.Validate but the one that its type is not for others to send.
//
// An error means that the change does not name its object, or holds what is not JSON.
func Build(c Change) (*event.Event, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	data, truncated, err := c.encodeData()
	if err != nil {
		return nil, err
	}
	return &event.Event{
		Namespace:       c.SourceNamespace,
		ID:              ID(c.Object.UID, c.Object.ResourceVersion, c.Operation, c.Edge, c.Finished, c.Moved),
		Source:          Source(c.SourceNamespace, c.SourceName),
		Type:            Type(c.Resource.Group, c.Resource.Kind, c.Operation, c.Edge),
		Subject:         attribute(Subject(c.Object.Namespace, c.Object.Name)),
		DataContentType: "application/json",
		Time:            c.Time.UTC(),
		Extensions:      c.extensions(truncated),
		Origin:          "source:" + c.SourceNamespace + ":" + c.SourceName,
		Data:            data,
	}, nil
}

func (c *Change) validate() error {
	switch c.Operation {
	case Created, Updated, Deleted:
	default:
		return fmt.Errorf("unknown operation %q", c.Operation)
	}
	switch {
	case c.SourceNamespace == "" || c.SourceName == "":
		return errors.New("the change names no source")
	case c.Resource.Kind == "":
		return errors.New("the change names no kind")
	case c.Object.UID == "" || c.Object.Name == "":
		return fmt.Errorf("the change of %s %q lacks the object's name or uid", c.Resource.Kind, c.Object.Name)
	case c.Object.ResourceVersion == "" && (c.Operation != Deleted || c.Finished || c.Moved):
		return fmt.Errorf("the change of %s %q lacks the object's resource version", c.Resource.Kind, c.Object.Name)
	}
	return nil
}

func (c *Change) extensions(truncated bool) map[string]any {
	extensions := make(map[string]any)
	set := func(name, value string) {
		if value != "" {
			extensions[name] = value
		}
	}
	set(ExtensionActor, attribute(c.Actor))
	set(ExtensionChanged, JoinPaths(c.Changed))
	if e, ok := ParseKubernetesEvent(c.state()); ok {
		set(ExtensionReason, attribute(e.Reason))
		set(ExtensionKubernetesType, attribute(e.Type))
		set(ExtensionRegardingKind, attribute(e.Regarding.Kind))
		set(ExtensionRegardingName, attribute(e.Regarding.Name))
	}
	if c.NetEffect {
		extensions[ExtensionNetEffect] = true
	}
	if truncated {
		extensions[ExtensionTruncated] = true
	}
	return extensions
}

// state returns the new state, or the last known one.
func (c *Change) state() map[string]any {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

// encode writes JSON without the escapes that only HTML needs.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
