// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/internal/testkit/recorder"
)

// TestSources_TellEveryChangeOnce kills the dispatcher at random moments while ConfigMaps are created, changed and
// deleted, and has etcd forget what happened in between. SOURCE_KILLS says how often.
func TestSources_TellEveryChangeOnce(t *testing.T) {
	kills := fromEnvironment(t, "SOURCE_KILLS", 5)
	ctx := within(t, 5*time.Minute+time.Duration(kills)*10*time.Second)
	d := newDispatcher(t, platform.DispatcherOptions{})
	must(t, d.Start())
	startOperator(t, nil)
	shops := &shops{random: dice(t), receiver: newReceiver(t)}
	shops.open(ctx, t, "every", nil)
	shops.open(ctx, t, "patch", func(s *hookv1.WebhookEventSourceSpec) { s.Data = &hookv1.EventData{Form: hookv1.DataFormPatch} })
	shops.open(ctx, t, "edge", func(s *hookv1.WebhookEventSourceSpec) {
		s.When = &hookv1.When{Expression: `object.data.left == "0"`, Emit: hookv1.EmitBoth}
	})
	begin := time.Now()
	for i := range kills {
		// Of what happens from the one to the other the net effect will do: until what was forgotten has been compared.
		forgets, compared := i%10 == 3, i%10 == 4
		if forgets {
			shops.awaitTold(ctx, t)
			shops.period++
		}
		shops.change(ctx, t, 2*time.Second)
		d.Kill()
		shops.change(ctx, t, 500*time.Millisecond)
		if forgets {
			compact(ctx, t)
		}
		must(t, d.Start())
		if compared {
			shops.awaitTold(ctx, t)
			shops.period++
		}
	}
	shops.awaitTold(ctx, t)
	must(t, awaitDrained(ctx, d))
	must(t, d.Stop())
	shops.check(t, d.DataDir)
	t.Logf("%d changes, %d events (%d of them net effects), %d requests, %d kills, in %s", shops.changes, shops.events, shops.nets,
		shops.receiver.Len(), kills, time.Since(begin).Round(time.Millisecond))
}

// compact has etcd and the API server forget everything but what there is now.
func compact(ctx context.Context, t *testing.T) {
	t.Helper()
	var now struct{ Header struct{ Revision string } }
	etcd(ctx, t, "/v3/kv/range", `{"key":"AA=="}`, &now)
	etcd(ctx, t, "/v3/kv/compaction", fmt.Sprintf(`{"revision":%q,"physical":true}`, now.Header.Revision), &struct{}{})
	// The API server keeps what it has watched in memory, until it is started again.
	must(t, errors.Join(posthorn.Plane.StopAPIServer(), posthorn.Plane.StartAPIServer()))
}

// etcd makes a request to etcd.
func etcd(ctx context.Context, t *testing.T, path, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, posthorn.Plane.EtcdURL()+path, bytes.NewReader([]byte(body)))
	must(t, err)
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("etcd answers %s to %s", answer.Status, path)
	}
	must(t, json.NewDecoder(answer.Body).Decode(into))
}

// shops are tenants with a source each, and the ConfigMaps that they watch.
type shops struct {
	random   *rand.Rand
	receiver *recorder.Recorder
	all      []*shop
	// period is even while every change is to be told by itself, and odd while the net effect will do.
	period                int
	changes, events, nets int
}

// shop is one of them. Its source, endpoint and subscription have its name.
type shop struct {
	name, namespace string
	there           []*corev1.ConfigMap
	goods           []*goods
}

// goods are what happened to one ConfigMap.
type goods struct {
	uid    string
	states []state
}

// state is what one write made of a ConfigMap.
type state struct {
	version uint64
	period  int
	left    string // empty when it is gone
	gone    bool
}

// open makes a shop, and returns when its source watches.
func (s *shops) open(ctx context.Context, t *testing.T, name string, edit func(*hookv1.WebhookEventSourceSpec)) {
	t.Helper()
	namespace, _, err := posthorn.Tenant(ctx)
	must(t, err)
	about := metav1.ObjectMeta{Namespace: namespace, Name: "reader", Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue}}
	source := &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "reader",
			Resources: []hookv1.WatchedResource{{
				APIVersion: "v1", Kind: "ConfigMap",
				Selector: &hookv1.LabelSelector{MatchLabels: map[string]hookv1.LabelValue{"app": "shop"}},
			}},
		},
	}
	if edit != nil {
		edit(&source.Spec)
	}
	for _, object := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: about},
		&rbacv1.Role{ObjectMeta: about, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "watch"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: about, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "reader", Namespace: namespace}},
		},
		source,
	} {
		must(t, posthorn.Admin.Create(ctx, object))
	}
	subscribe(ctx, t, namespace, name, s.receiver.URL(name))
	must(t, posthorn.AwaitSubscriptions(ctx, namespace, "it is Ready", platform.IsReady))
	must(t, platform.Await(ctx, name+" is watching", func(ctx context.Context) error {
		if err := posthorn.Admin.Get(ctx, client.ObjectKeyFromObject(source), source); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(source.Status.Conditions, hookv1.ConditionWatching); c == nil || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("it is %+v", source.Status.Conditions)
		}
		return nil
	}))
	s.all = append(s.all, &shop{name: name, namespace: namespace})
}

// change makes changes for a random time.
func (s *shops) change(ctx context.Context, t *testing.T, most time.Duration) {
	t.Helper()
	end := time.Now().Add(time.Duration(s.random.Int64N(int64(most))))
	for time.Now().Before(end) {
		for _, shop := range s.all {
			s.changeOne(ctx, t, shop)
		}
		pause(ctx, time.Duration(s.random.Int64N(int64(20*time.Millisecond))))
	}
}

// changeOne creates, changes or deletes one ConfigMap of a shop.
func (s *shops) changeOne(ctx context.Context, t *testing.T, shop *shop) {
	t.Helper()
	const most = 8
	s.changes++
	if n := len(shop.there); n == 0 || n < most && s.random.IntN(4) == 0 {
		s.create(ctx, t, shop)
		return
	}
	i := s.random.IntN(len(shop.there))
	object := shop.there[i]
	if s.random.IntN(6) == 0 {
		must(t, posthorn.Admin.Delete(ctx, object))
		shop.there = slices.Delete(shop.there, i, i+1)
		shop.note(object, state{period: s.period, gone: true})
		return
	}
	if s.random.IntN(3) == 0 { // which changes nothing that is told
		object.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: strconv.Itoa(s.changes)}
	} else {
		object.Data["left"] = strconv.Itoa(s.random.IntN(3))
	}
	must(t, posthorn.Admin.Update(ctx, object))
	shop.note(object, state{period: s.period, left: object.Data["left"]})
}

// create makes a ConfigMap.
func (s *shops) create(ctx context.Context, t *testing.T, shop *shop) {
	t.Helper()
	object := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop.namespace, GenerateName: "goods-", Labels: map[string]string{"app": "shop"}},
		Data:       map[string]string{"left": strconv.Itoa(s.random.IntN(3))},
	}
	must(t, posthorn.Admin.Create(ctx, object))
	shop.there = append(shop.there, object)
	shop.note(object, state{period: s.period, left: object.Data["left"]})
}

// note writes down what a write made of an object.
func (s *shop) note(object *corev1.ConfigMap, now state) {
	if !now.gone {
		now.version = version(object.ResourceVersion)
	}
	i := slices.IndexFunc(s.goods, func(g *goods) bool { return g.uid == string(object.UID) })
	if i < 0 {
		i = len(s.goods)
		s.goods = append(s.goods, &goods{uid: string(object.UID)})
	}
	s.goods[i].states = append(s.goods[i].states, now)
}

// version reads a resource version.
func version(v string) uint64 {
	n, _ := strconv.ParseUint(v, 10, 64) // 0 for one that is no number, which nothing has
	return n
}

// awaitTold waits until everything that has to be told by itself has arrived.
func (s *shops) awaitTold(ctx context.Context, t *testing.T) {
	t.Helper()
	// What comes last arrives when all before has been told.
	markers := map[[2]string]bool{}
	for _, shop := range s.all {
		s.changes++
		object := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: shop.namespace, GenerateName: "marker-", Labels: map[string]string{"app": "shop"}},
			Data:       map[string]string{"left": "0"},
		}
		must(t, posthorn.Admin.Create(ctx, object))
		shop.note(object, state{period: s.period, left: "0"})
		markers[[2]string{shop.name, shop.story(shop.goods[len(shop.goods)-1])[0]}] = true
	}
	must(t, platform.Await(ctx, "every change is told", func(context.Context) error {
		got := newLedger(s.receiver.Requests()).delivered
		for m := range markers {
			if len(got[m]) == 0 {
				return fmt.Errorf("%s was not told %s", m[0], m[1])
			}
		}
		for _, shop := range s.all {
			for id := range shop.expected() {
				if len(got[[2]string{shop.name, id}]) == 0 {
					return fmt.Errorf("%s was not told %s", shop.name, id)
				}
			}
		}
		return nil
	}))
}

// expected are the ids of the events that have to be told by themselves.
func (s *shop) expected() map[string]bool {
	ids := map[string]bool{}
	for _, g := range s.goods {
		if g.touched() {
			continue
		}
		for _, id := range s.story(g) {
			ids[id] = true
		}
	}
	return ids
}

// touched reports whether something happened to it while the net effect was enough.
func (g *goods) touched() bool {
	return slices.ContainsFunc(g.states, func(s state) bool { return s.period%2 == 1 })
}

// story are the ids of the events of one ConfigMap, in their order, when all changes are told.
func (s *shop) story(g *goods) []string {
	var ids []string
	tell := func(v uint64, op change.Operation, edge change.Edge) {
		ids = append(ids, change.ID(g.uid, strconv.FormatUint(v, 10), op, edge, false, false))
	}
	var last state
	var episode uint64
	for i, now := range g.states {
		op := change.Updated
		switch {
		case i == 0:
			op = change.Created
		case now.gone:
			op = change.Deleted
		case now.left == last.left:
			continue
		}
		switch {
		case s.name != "edge":
			tell(now.version, op, change.NoEdge)
		case now.gone:
		case now.left == "0":
			episode = now.version
			tell(episode, op, change.Turned)
		case i > 0 && last.left == "0":
			tell(episode, op, change.Recovered)
		}
		last = now
	}
	return ids
}

// check holds what arrived and what is in the event log against what happened.
func (s *shops) check(t *testing.T, dir string) {
	t.Helper()
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer log.Close()
	told := map[string][]*event.Event{} // by namespace
	must(t, log.EventsBehind(t.Context(), 0, func(m eventlog.Message) {
		e, err := event.DecodeRecord(m.Data)
		must(t, err)
		told[e.Namespace] = append(told[e.Namespace], e)
		s.events++
		if e.Extensions[change.ExtensionNetEffect] == true {
			s.nets++
		}
	}))
	arrived := newLedger(s.receiver.Requests())
	arrived.checkRequests(t)
	for _, shop := range s.all {
		events := map[string]bool{}
		by := map[string][]*event.Event{}
		for _, e := range told[shop.namespace] {
			if events[e.ID] {
				t.Errorf("%s told %s twice", shop.name, e.ID)
			}
			events[e.ID] = true
			if len(arrived.delivered[[2]string{shop.name, e.ID}]) == 0 {
				t.Errorf("%s never got %s", shop.name, e.ID)
			}
			uid := change.Reference{}
			must(t, json.Unmarshal(e.Data, &uid))
			by[uid.UID] = append(by[uid.UID], e)
		}
		for _, g := range shop.goods {
			shop.checkGoods(t, g, by[g.uid])
			delete(by, g.uid)
		}
		for uid := range by {
			t.Errorf("%s told of %s, which nobody made", shop.name, uid)
		}
	}
}

// checkGoods holds what was told of one ConfigMap against what happened to it.
func (s *shop) checkGoods(t *testing.T, g *goods, told []*event.Event) {
	t.Helper()
	ids := make([]string, len(told))
	for i, e := range told {
		ids[i] = e.ID
	}
	if s.name == "edge" {
		for i, e := range told {
			if recovered := strings.HasSuffix(e.Type, ".recovered"); recovered != (i%2 == 1) {
				t.Errorf("what turned and recovered does not alternate: %v", ids)
			}
		}
	}
	if want := s.story(g); !g.touched() {
		if !slices.Equal(ids, want) {
			t.Errorf("%s told\n\t%v\nwant\n\t%v", s.name, ids, want)
		}
		return
	}
	last := g.states[len(g.states)-1]
	switch {
	case s.name == "edge":
		if open := len(told)%2 == 1; !last.gone && open != (last.left == "0") {
			t.Errorf("%v was told of %+v", ids, g.states)
		}
	case last.gone:
		if n := len(told); n > 0 && !strings.HasSuffix(told[n-1].Type, ".deleted") || n == 0 && g.states[0].period%2 == 0 {
			t.Errorf("it was not told that %s is gone: %v", g.uid, ids)
		}
	case len(told) == 0 || !g.shows(told[len(told)-1], last):
		t.Errorf("%v was told of %+v, and not the last state", ids, g.states)
	}
	// What happened before and after is told by itself.
	for i, id := range s.eventful(g) {
		if id != "" && g.states[i].period%2 == 0 && !slices.Contains(ids, id) {
			t.Errorf("%s was not told %s of %+v", s.name, id, g.states)
		}
	}
}

// shows reports whether an event tells of a state with the same content.
func (g *goods) shows(e *event.Event, want state) bool {
	var about change.Reference
	if json.Unmarshal(e.Data, &about) != nil {
		return false
	}
	i := slices.IndexFunc(g.states, func(s state) bool { return s.version == version(about.ResourceVersion) })
	return i >= 0 && g.states[i].left == want.left
}

// eventful are the ids of the events of the states, one for each; empty for a state that is none by itself.
func (s *shop) eventful(g *goods) []string {
	ids := make([]string, len(g.states))
	if s.name == "edge" {
		return ids
	}
	for i, now := range g.states {
		op := change.Updated
		switch {
		case i == 0:
			op = change.Created
		case now.gone:
			op = change.Deleted
		case now.left == g.states[i-1].left:
			continue
		}
		ids[i] = change.ID(g.uid, strconv.FormatUint(now.version, 10), op, change.NoEdge, false, false)
	}
	return ids
}
