// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"slices"
	"time"
)

// Managers are who has set fields of an object, as metadata.managedFields has them, with no more of the fields than
// their number: small enough to be kept for every object.
type Managers []Manager

// Manager is one entry of metadata.managedFields.
type Manager struct {
	Name, Operation, Subresource string
	// Time is when the manager last set a field, to the second.
	Time time.Time
	// Fields is how many fields are the manager's.
	Fields int
}

// isOf reports whether two entries are of the same manager and of the same time.
func (m Manager) isOf(other Manager) bool {
	m.Fields = other.Fields
	return m == other
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
			Fields:      leaves(mapAt(fields, "fieldsV1")),
		})
	}
	return managers
}

// leaves counts the fields of a fieldsV1.
func leaves(fields map[string]any) int {
	n := 0
	for _, nested := range fields {
		if m, ok := nested.(map[string]any); ok && len(m) > 0 {
			n += leaves(m)
			continue
		}
		n++
	}
	return n
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
// before, or of all where those before are not known (nil). It is empty where none is new and some have lost fields, since
// whoever only removes fields leaves no other trace in the object, and for a deletion. Where there is no trace at all,
// the newest set fields again within a second.
func Actor(operation Operation, before, after Managers) string {
	if operation == Deleted {
		return ""
	}
	var changed Managers
	lost := len(after) < len(before)
	for _, m := range after {
		switch i := slices.IndexFunc(before, m.isOf); {
		case i < 0:
			changed = append(changed, m)
		case m.Fields < before[i].Fields:
			lost = true
		}
	}
	switch {
	case len(changed) > 0:
		return changed.last()
	case lost:
		return ""
	}
	return after.last()
}
