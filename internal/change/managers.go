// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"slices"
	"time"
)

// Managers are who has set fields of an object, as metadata.managedFields has them, without the fields: small
// enough to be kept for every object.
type Managers []Manager

// Manager is one entry of metadata.managedFields.
type Manager struct {
	Name, Operation, Subresource string
	// Time is when the manager last changed a field, to the second.
	Time time.Time
}

// ManagersOf reads the managed fields of an object as it came, before Sanitize takes them away. What is not
// well formed is passed over.
func ManagersOf(object map[string]any) Managers {
	entries, _ := mapAt(object, "metadata")["managedFields"].([]any)
	managers := make(Managers, 0, len(entries))
	for _, entry := range entries {
		fields, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		managers = append(managers, Manager{
			Name:        stringAt(fields, "manager"),
			Operation:   stringAt(fields, "operation"),
			Subresource: stringAt(fields, "subresource"),
			Time:        timeAt(fields, "time"),
		})
	}
	return managers
}

// newest returns when the newest fields were set; the zero time without any.
func (m Managers) newest() time.Time {
	var latest time.Time
	for _, manager := range m {
		latest = newest(latest, manager.Time)
	}
	return latest
}

// last returns the manager of the newest fields, the later one of two in the list with the same time.
func (m Managers) last() string {
	var last Manager
	for _, manager := range m {
		if !manager.Time.Before(last.Time) {
			last = manager
		}
	}
	return last.Name
}

// Actor returns the field manager that made a change: that of the newest of the entries that were not the same
// before, or of all where those before are not known (nil). It is empty where no entry is new, since whoever only removes
// fields leaves no trace in the object, and for a deletion.
func Actor(operation Operation, before, after Managers) string {
	if operation == Deleted {
		return ""
	}
	return slices.DeleteFunc(slices.Clone(after), func(m Manager) bool { return slices.Contains(before, m) }).last()
}
