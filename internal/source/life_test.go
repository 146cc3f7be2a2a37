// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/problem"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// newForgetful returns a world with a source of Kubernetes Events that was last up to date at a time, and that has forgotten
// what happened since. No Runner runs.
func newForgetful(t *testing.T, last time.Time) *world {
	t.Helper()
	w := newWorld(t)
	w.grant("watcher", "events")
	w.start()
	w.source("happenings", func(s *hookv1.WebhookEventSourceSpec) {
		s.ServiceAccountName = "watcher"
		s.Resources = []hookv1.WatchedResource{{APIVersion: "events.k8s.io/v1", Kind: "Event"}}
	})
	w.awaitWatching("happenings")
	w.stop()
	w.backdate(last)
	for i := range 3 { // or the checkpoint would be of now
		w.create(w.configMap(fmt.Sprintf("since-%d", i), nil))
	}
	w.compact()
	return w
}

func TestRunner_DeclaresWhatTheClusterHasForgotten(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	w := newForgetful(t, now.Add(-3*time.Hour))
	registry := prometheus.NewRegistry()
	w.start(func(o *source.Options) { o.Registerer = registry })
	w.awaitTold("happenings happenings source.gap")
	w.awaitValue(registry, "posthorn_source_gaps_total", "Event.events.k8s.io", is(1))
	gap := w.events()[0]
	var data struct {
		Kind     string
		From, To time.Time
	}
	if err := json.Unmarshal(gap.Data, &data); err != nil {
		t.Fatal(err)
	}
	if gap.Type != source.TypeGap || data.Kind != "Event" || !data.From.Equal(now.Add(-3*time.Hour)) ||
		data.To.Before(now.Add(-time.Hour)) || data.To.After(time.Now().Add(-time.Hour)) {
		t.Errorf("the gap is %+v of type %s", data, gap.Type)
	}
	w.eventually("the status tells of it", func() error {
		f := w.facts("happenings")
		if f.Watching.Holds || f.Watching.Reason != hookv1.ReasonGapUnrecoverable || f.LastGap == nil || !f.LastGap.From.Time.Equal(data.From) {
			return fmt.Errorf("it is %+v, and the last gap %+v", f.Watching, f.LastGap)
		}
		return nil
	})
	w.stop()
	w.start() // it is declared once
	w.awaitWatching("happenings")
	w.create(&eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "late"}, EventTime: metav1.NowMicro(), Type: "Normal",
		Reason: "Late", Action: "Test", ReportingController: "posthorn.dev/test", ReportingInstance: "test",
		Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: w.namespace, Name: "shop"},
	})
	w.awaitTold("happenings happenings source.gap", "happenings late event.created")
}

func TestRunner_DeclaresAGapOnceThereIsRoom(t *testing.T) {
	w, room := newForgetful(t, time.Now().Add(-3*time.Hour)), newShare()
	room.full.Store(true)
	w.start(room.limit)
	w.eventually("it is refused", func() error {
		select {
		case <-room.refused:
			return nil
		default:
			return errors.New("it is not")
		}
	})
	room.full.Store(false)
	w.awaitTold("happenings happenings source.gap")
}

// backdate has every checkpoint say that the watch was last up to date at a time. No Runner runs.
func (w *world) backdate(at time.Time) {
	w.Helper()
	log, err := eventlog.Open(w.Context(), eventlog.Options{Dir: filepath.Join(w.dir, "log"), MaxBytes: 256 << 20})
	if err != nil {
		w.Fatal(err)
	}
	defer log.Close()
	stored, err := log.Checkpoints(w.Context())
	if err != nil || len(stored) == 0 {
		w.Fatalf("%d checkpoints, %v", len(stored), err)
	}
	for watch, data := range stored {
		var c map[string]any
		if err := json.Unmarshal(data, &c); err != nil {
			w.Fatal(err)
		}
		c["time"] = at
		if data, err = json.Marshal(c); err != nil {
			w.Fatal(err)
		}
		if err := log.PutCheckpoint(w.Context(), watch, data); err != nil {
			w.Fatal(err)
		}
	}
}

func TestRunner_ReplacesAWatchThatShowsNoLife(t *testing.T) {
	w := newWorld(t)
	p := newSilencer(t, w.plane.Config())
	w.start(func(o *source.Options) { o.Config, o.StaleAfter = p.config, 4*time.Second })
	w.source("all", nil)
	w.awaitWatching("all")
	begun := time.Now()
	w.create(w.configMap("heard", nil))
	w.awaitTold("all heard configmap.created")
	w.eventually("the event is counted, which comes after the watch has noted that it lives", func() error {
		if n := w.facts("all").Emitted; n != 1 {
			return fmt.Errorf("%d events are", n)
		}
		return nil
	})
	heard := time.Now()
	p.silence()
	w.create(w.configMap("unheard", nil))
	w.eventually("the watch is known to be stalled", func() error {
		f, ok := w.board.was(w.sources["all"].Name, hookv1.ReasonWatchStalled)
		if !ok {
			return fmt.Errorf("Watching is %+v", w.facts("all").Watching)
		}
		if f.WatchingSince.Before(begun) || f.WatchingSince.After(heard) {
			t.Fatalf("it is stalled since %s, want since the last event, from %s to %s", f.WatchingSince, begun, heard)
		}
		return nil
	})
	w.awaitTold("all heard configmap.created", "all unheard configmap.created")
	w.awaitWatching("all")
}

func TestRunner_SaysThatTheEventLogHoldsItUp(t *testing.T) {
	w := newWorld(t)
	var down atomic.Bool
	w.start(func(o *source.Options) {
		o.StaleAfter = 3 * time.Second
		accept := o.Accept
		o.Accept = func(ctx context.Context, namespace string, events []*event.Event) error {
			if down.Load() {
				return problem.Unavailable.New("the event log is away")
			}
			return accept(ctx, namespace, events)
		}
	})
	w.source("all", nil)
	w.awaitWatching("all")
	down.Store(true)
	w.create(w.configMap("shoes", nil))
	w.eventually("the event log is to blame", func() error {
		got := w.facts("all").Watching
		if got.Reason != hookv1.ReasonWatchStalled || !strings.Contains(got.Message, "wait until the event log stores") {
			return fmt.Errorf("Watching is %+v", got)
		}
		return nil
	})
	down.Store(false)
	w.awaitTold("all shoes configmap.created")
	w.awaitWatching("all")
}

func TestRunner_TakesTheBeginOfAWatchForNoSignOfLife(t *testing.T) {
	w := newWorld(t)
	p := newSilencer(t, w.plane.Config())
	p.only = "/configmaps"
	w.start(func(o *source.Options) { o.Config, o.StaleAfter = p.config, 2*time.Second })
	w.source("all", nil)
	w.awaitWatching("all")
	p.mute(true)
	p.silence()
	w.eventually("the watch is known to be stalled", func() error {
		if got := w.facts("all").Watching; got.Reason != hookv1.ReasonWatchStalled {
			return fmt.Errorf("Watching is %+v", got)
		}
		return nil
	})
	begun := p.begun.Load()
	w.eventually("two more watches have shown nothing", func() error {
		if got := w.facts("all").Watching; got.Reason != hookv1.ReasonWatchStalled {
			t.Fatalf("Watching is %+v, though nothing was shown", got)
		}
		if n := p.begun.Load() - begun; n < 3 {
			return fmt.Errorf("%d have begun", n)
		}
		return nil
	})
	p.mute(false)
	w.create(w.configMap("heard", nil))
	w.awaitTold("all heard configmap.created")
	w.awaitWatching("all")
}

func TestRunner_SaysThatAFieldSelectorIsRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	selecting := func(field string) func(*hookv1.WebhookEventSourceSpec) {
		return func(s *hookv1.WebhookEventSourceSpec) { s.Resources[0].FieldSelector = field }
	}
	w.source("some", selecting("data.left=0"))
	w.eventually("the field is named", func() error {
		got := w.facts("some").Watching
		if got.Reason != hookv1.ReasonInvalidSpec || !strings.Contains(got.Message, `"data.left" is not a known field selector`) {
			return fmt.Errorf("Watching is %+v", got)
		}
		return nil
	})
	w.edit("some", selecting("metadata.name=shoes"))
	w.awaitWatching("some")
	w.create(w.configMap("shoes", nil))
	w.awaitTold("some shoes configmap.created")
}

// silencer can have the watches that are open stop to tell anything.
type silencer struct {
	config *rest.Config
	// only is how the paths of those end that can be silenced; empty for all.
	only string
	// begun counts the watches that were asked for.
	begun  atomic.Int64
	mu     sync.Mutex
	silent chan struct{} // closed when those of now are to be silent
	muted  bool          // whether new ones are silent as well
}

func newSilencer(t *testing.T, config *rest.Config) *silencer {
	t.Helper()
	s := &silencer{silent: make(chan struct{})}
	s.config = newProxy(t, config, func(r *http.Response) error {
		if strings.Contains(r.Request.URL.RawQuery, "watch=") && strings.HasSuffix(r.Request.URL.Path, s.only) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.begun.Add(1)
			silent := s.silent
			if s.muted {
				silent = make(chan struct{})
				close(silent)
			}
			r.Body = &silenced{r.Body, silent, r.Request.Context().Done()}
		}
		return nil
	}).config
	return s
}

// silence silences the watches that are open.
func (s *silencer) silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.silent)
	s.silent = make(chan struct{})
}

// mute has the watches that begin from now on be silent, or not.
func (s *silencer) mute(muted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted = muted
}

// silenced is the body of a watch.
type silenced struct {
	io.ReadCloser
	silent, ended <-chan struct{}
}

func (s *silenced) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	select {
	case <-s.silent:
		<-s.ended
		return 0, io.ErrUnexpectedEOF
	default:
		return n, err
	}
}
