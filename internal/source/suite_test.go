// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/ingest"
	"github.com/posthorn-dev/posthorn/internal/source"
	"github.com/posthorn-dev/posthorn/internal/status"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

// patience bounds a wait for what takes milliseconds.
const patience = time.Minute

// controlPlane starts the API server for the first test that needs it; TestMain stops it.
var controlPlane = sync.OnceValues(func() (*controlplane.ControlPlane, error) {
	started = true
	c, err := controlplane.Start(controlplane.Options{})
	if err != nil {
		return nil, err
	}
	return c, c.InstallCRDs("../../config/crd/bases")
})

// started says whether controlPlane was called.
var started bool

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	code := m.Run()
	if started {
		if c, err := controlPlane(); c != nil {
			if err = errors.Join(err, c.Stop()); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = max(code, 1)
			}
		}
	}
	os.Exit(code)
}

// world is a cluster with one namespace and an event log of its own, and the Runner that makes events of the one in
// the other.
type world struct {
	*testing.T
	plane     *controlplane.ControlPlane
	client    client.Client
	namespace string
	dir       string
	sources   map[string]*hookv1.WebhookEventSource
	// changed names the sources of whose events somebody reads which paths have changed.
	changed map[delivery.Name]bool
	board   *board

	log    *eventlog.Log
	runner *source.Runner
	stop   func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	plane, err := controlPlane()
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{hookv1.AddToScheme, clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(plane.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, plane: plane, client: c, namespace: ns.Name, dir: t.TempDir(), sources: map[string]*hookv1.WebhookEventSource{}, board: newBoard()}
	w.grant("reader", "configmaps", "pods", "secrets")
	t.Cleanup(func() {
		if w.stop != nil {
			w.stop()
		}
	})
	return w
}

func (w *world) create(objects ...client.Object) {
	w.Helper()
	for _, obj := range objects {
		if err := w.client.Create(w.Context(), obj); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *world) update(obj client.Object) {
	w.Helper()
	if err := w.client.Update(w.Context(), obj); err != nil {
		w.Fatal(err)
	}
}

func (w *world) delete(obj client.Object) {
	w.Helper()
	if err := w.client.Delete(w.Context(), obj); err != nil {
		w.Fatal(err)
	}
}

// grant makes a ServiceAccount that may be used and may read the resources in the namespace.
func (w *world) grant(name string, resources ...string) {
	w.Helper()
	meta := metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue}}
	w.create(
		&corev1.ServiceAccount{ObjectMeta: meta},
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"*"}, Resources: resources, Verbs: []string{"list", "watch"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: w.namespace}},
		},
	)
}

// source makes a source of ConfigMaps, which edit may change.
func (w *world) source(name string, edit func(s *hookv1.WebhookEventSourceSpec)) {
	w.Helper()
	s := &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "reader",
			Resources:          []hookv1.WatchedResource{{APIVersion: "v1", Kind: "ConfigMap", Selector: &hookv1.LabelSelector{MatchLabels: map[string]hookv1.LabelValue{"app": "shop"}}}},
		},
	}
	if edit != nil {
		edit(&s.Spec)
	}
	w.create(s)
	w.sources[name] = s
	w.load()
}

// load gives the Runner the sources as they are.
func (w *world) load() {
	w.Helper()
	if w.runner == nil {
		return
	}
	u := source.Update{Changed: w.changed}
	for _, name := range slices.Sorted(maps.Keys(w.sources)) {
		compiled, err := compile.Source(w.sources[name])
		if err != nil {
			w.Fatal(err)
		}
		u.Sources = append(u.Sources, compiled)
	}
	w.runner.Load(u)
}

// start opens the log and runs the Runner; the world's stop ends both.
func (w *world) start(edit ...func(*source.Options)) {
	w.Helper()
	logger := slog.New(slog.NewTextHandler(w.Output(), nil))
	var err error
	if w.log, err = eventlog.Open(w.Context(), eventlog.Options{Dir: filepath.Join(w.dir, "log"), MaxBytes: 256 << 20, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		w.Fatal(err)
	}
	in, err := ingest.New(ingest.Options{Log: w.log, AllowUnauthenticated: true, Ready: func() error { return nil }, Logger: logger})
	if err != nil {
		w.Fatal(err)
	}
	if err := in.Recover(w.Context()); err != nil {
		w.Fatal(err)
	}
	o := source.Options{Config: w.plane.Config(), Log: w.log, Accept: in.Accept, Reporter: w.board, Logger: logger}
	for _, f := range edit {
		f(&o)
	}
	if w.runner, err = source.New(o); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.runner.Run(ctx); err != nil {
			w.Error(err)
		}
	}()
	log := w.log
	w.stop = func() {
		cancel()
		<-done
		log.Close()
		w.stop, w.runner = nil, nil
	}
	w.load()
}

// board keeps the newest facts about each source.
type board struct {
	mu    sync.Mutex
	facts map[delivery.Name]status.SourceFacts
	// first are the first facts with each reason that the condition Watching ever had, by name of the source.
	first map[[2]string]status.SourceFacts
}

func newBoard() *board {
	return &board{facts: map[delivery.Name]status.SourceFacts{}, first: map[[2]string]status.SourceFacts{}}
}

func (b *board) UpdateSource(f status.SourceFacts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.facts[f.Name] = f
	if k := [2]string{f.Name.Name, f.Watching.Reason}; b.first[k].UID == "" {
		b.first[k] = f
	}
}

func (b *board) ForgetSource(name delivery.Name) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.facts, name)
}

// was returns the first facts with a reason of the condition Watching, and whether it ever had it.
func (b *board) was(name, reason string) (status.SourceFacts, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.first[[2]string{name, reason}]
	return f, ok
}

func (w *world) facts(name string) status.SourceFacts {
	w.board.mu.Lock()
	defer w.board.mu.Unlock()
	return w.board.facts[delivery.Name{Namespace: w.namespace, Name: name}]
}

// awaitWatching waits until a source's watches live.
func (w *world) awaitWatching(name string) {
	w.Helper()
	w.eventually(name+" is watching", func() error {
		f := w.facts(name)
		if !f.Watching.Holds || !f.Permissions.Holds || f.Generation != w.sources[name].Generation {
			return fmt.Errorf("it is %+v, %+v of generation %d", f.Permissions, f.Watching, f.Generation)
		}
		return nil
	})
}

// eventually waits until check returns nil.
func (w *world) eventually(what string, check func() error) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// events returns the events of the world's namespace, oldest first.
func (w *world) events() []*event.Event {
	w.Helper()
	var all []*event.Event
	err := w.log.EventsBehind(w.Context(), 0, func(m eventlog.Message) {
		e, err := event.DecodeRecord(m.Data)
		if err != nil {
			w.Error(err)
			return
		}
		all = append(all, e)
	})
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// told returns the events as source, subject and the last part of the type.
func (w *world) told() []string {
	w.Helper()
	var told []string
	for _, e := range w.events() {
		told = append(told, tellOf(e))
	}
	return told
}

func tellOf(e *event.Event) string {
	name := e.Source[strings.LastIndexByte(e.Source, '/')+1:]
	subject := e.Subject[strings.LastIndexByte(e.Subject, '/')+1:]
	parts := strings.Split(e.Type, ".")
	last := 2
	if parts[len(parts)-1] == "recovered" {
		last = 3
	}
	told := name + " " + subject + " " + strings.Join(parts[len(parts)-last:], ".")
	if e.Extensions["neteffect"] == true {
		told += " net"
	}
	return told
}

// awaitTold waits until exactly these events were told, in this order.
func (w *world) awaitTold(want ...string) {
	w.Helper()
	w.eventually("the events are told", func() error {
		if got := w.told(); !slices.Equal(got, want) {
			return fmt.Errorf("told are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		return nil
	})
}

// configMap returns a ConfigMap that the sources of the world select.
func (w *world) configMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: map[string]string{"app": "shop"}}, Data: data,
	}
}

// edit changes the spec of a source.
func (w *world) edit(name string, edit func(s *hookv1.WebhookEventSourceSpec)) {
	w.Helper()
	s := w.sources[name]
	edit(&s.Spec)
	w.update(s)
	w.load()
}

// toldOf returns a check that exactly these events of a source were told.
func (w *world) toldOf(name string, want ...string) func() error {
	return func() error {
		got := w.toldBy(name)
		if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			return fmt.Errorf("told are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		return nil
	}
}

// toldBy returns the events of a source, oldest first.
func (w *world) toldBy(name string) []string {
	w.Helper()
	var by []string
	for _, told := range w.told() {
		if rest, ok := strings.CutPrefix(told, name+" "); ok {
			by = append(by, rest)
		}
	}
	return by
}

// awaitSeen waits until a source selects so many objects.
func (w *world) awaitSeen(name string, objects int64) {
	w.Helper()
	w.eventually("the objects are seen", func() error {
		if got := w.facts(name).Objects; got != objects {
			return fmt.Errorf("%d are, want %d", got, objects)
		}
		return nil
	})
}

// awaitPermissions waits until PermissionsGranted of a source is False, for the reason and with the words.
func (w *world) awaitPermissions(name, reason, words string) {
	w.Helper()
	w.eventually("a right is missing", func() error {
		f := w.facts(name).Permissions
		if f.Holds || f.Reason != reason || !strings.Contains(f.Message, words) {
			return fmt.Errorf("PermissionsGranted is %+v, want %s with %q", f, reason, words)
		}
		return nil
	})
}

func key(namespace, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: name}
}
