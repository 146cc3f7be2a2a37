// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/routing"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// typeReports counts what is reported of types.
type typeReports struct {
	updates map[string]int
	last    map[string]status.EventTypeFacts
}

func (r *typeReports) UpdateEventType(f status.EventTypeFacts) {
	r.updates[f.Name.Name]++
	r.last[f.Name.Name] = f
}

func (r *typeReports) ForgetEventType(name delivery.Name) { delete(r.last, name.Name) }

func TestEventTypes_ReportWhatChangedAndNoMore(t *testing.T) {
	t.Parallel()
	reports := &typeReports{map[string]int{}, map[string]status.EventTypeFacts{}}
	types := newEventTypes(reports)
	if _, known := types.Namespace("team-a"); known {
		t.Error("types are known before any came")
	}
	types.seen() // before the first update there is nothing to tell
	order := &catalogue.Type{Namespace: "team-a", Name: "order", UID: "u", Generation: 1, Type: "com.example.order"}
	u := routing.Update{Types: catalogue.NewTable([]*catalogue.Type{order}), Invalid: []routing.Invalid{
		{Kind: "WebhookEventType", Name: delivery.Name{Namespace: "team-a", Name: "broken"}, Reason: "InvalidSpec"},
		{Kind: "WebhookEndpoint", Name: delivery.Name{Namespace: "team-a", Name: "other"}, Reason: "InvalidSpec"},
	}}
	types.load(u)
	if of, known := types.Namespace("team-a"); !known || of["com.example.order"] != order {
		t.Errorf("known %t: %v", known, of)
	}
	types.load(u) // endpoints have changed
	types.seen()
	if diff := cmp.Diff(map[string]int{"order": 1, "broken": 1}, reports.updates); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	if !reports.last["order"].Routed || reports.last["broken"].Routed || reports.last["broken"].NotRoutedReason != "InvalidSpec" {
		t.Errorf("last are %+v", reports.last)
	}
	at := time.Unix(100, 0)
	order.See(at)
	types.seen()
	if !reports.last["order"].LastSeen.Equal(at) {
		t.Errorf("seen at %v, want %v", reports.last["order"].LastSeen, at)
	}
	types.load(routing.Update{Types: catalogue.NewTable(nil)})
	if len(reports.last) != 0 {
		t.Errorf("still known are %v", reports.last)
	}
}
