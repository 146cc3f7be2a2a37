// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// reporter is the name under which Kubernetes Events are reported.
const reporter = hookv1.FieldManagerDispatcher

// writeTimeout bounds one write.
const writeTimeout = 10 * time.Second

// Writer turns facts into statuses. It is safe for concurrent use.
type Writer struct {
	log         *slog.Logger
	reader      client.Reader
	sink        sink
	recorder    events.EventRecorder
	broadcaster events.EventBroadcaster
	board       *board
	outage      outage
}

// New returns a Writer that writes nothing before Run. It does not speak to the API server.
func New(o Options) (*Writer, error) {
	if o.Config == nil || o.Reader == nil {
		return nil, errors.New("configure status writer: Config and Reader are required")
	}
	c, broadcaster, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	w := newWriter(o.Log, o.Reader, apiSink{c, o.Reader}, broadcaster.NewRecorder(runtime.NewScheme(), reporter))
	w.broadcaster = broadcaster
	return w, nil
}

// newWriter returns a Writer on any sink and recorder.
func newWriter(log *slog.Logger, reader client.Reader, s sink, recorder events.EventRecorder) *Writer {
	if log == nil {
		log = slog.Default()
	}
	return &Writer{log: log, reader: reader, sink: s, recorder: recorder, board: newBoard()}
}

// UpdateEndpoint takes in what is known of an endpoint. It does not wait, and takes facts before Run
// too. What the facts point to must not be changed afterwards.
func (w *Writer) UpdateEndpoint(f EndpointFacts) {
	w.update(key{hookv1.KindWebhookEndpoint, f.Name}, &f, func() (*state, string) {
		var obj hookv1.WebhookEndpoint
		if err := w.reader.Get(context.Background(), client.ObjectKey(f.Name), &obj); err != nil {
			return nil, ""
		}
		return storedEndpoint(&obj.Status), string(obj.UID)
	})
}

// UpdateSubscription takes in what is known of a subscription, as UpdateEndpoint does.
func (w *Writer) UpdateSubscription(f SubscriptionFacts) {
	w.update(key{hookv1.KindWebhookSubscription, f.Name}, &f, func() (*state, string) {
		var obj hookv1.WebhookSubscription
		if err := w.reader.Get(context.Background(), client.ObjectKey(f.Name), &obj); err != nil {
			return nil, ""
		}
		return storedSubscription(&obj.Status), string(obj.UID)
	})
}

// UpdateEventType takes in what is known of an event type, as UpdateEndpoint does.
func (w *Writer) UpdateEventType(f EventTypeFacts) {
	w.update(key{hookv1.KindWebhookEventType, f.Name}, &f, func() (*state, string) {
		var obj hookv1.WebhookEventType
		if err := w.reader.Get(context.Background(), client.ObjectKey(f.Name), &obj); err != nil {
			return nil, ""
		}
		return storedEventType(&obj.Status), string(obj.UID)
	})
}

func (w *Writer) update(k key, f facts, read func() (*state, string)) {
	w.board.update(k, f, time.Now(), read)
}

// ForgetEndpoint drops an endpoint that is gone: nothing more is written to it.
func (w *Writer) ForgetEndpoint(name delivery.Name) {
	w.board.forget(key{hookv1.KindWebhookEndpoint, name})
}

// ForgetSubscription drops a subscription that is gone: nothing more is written to it.
func (w *Writer) ForgetSubscription(name delivery.Name) {
	w.board.forget(key{hookv1.KindWebhookSubscription, name})
}

// ForgetEventType drops an event type that is gone: nothing more is written to it.
func (w *Writer) ForgetEventType(name delivery.Name) {
	w.board.forget(key{hookv1.KindWebhookEventType, name})
}

func (f *EndpointFacts) about() string     { return f.UID }
func (f *EventTypeFacts) about() string    { return f.UID }
func (f *SubscriptionFacts) about() string { return f.UID }

// Run writes until ctx ends, and then returns nil. What could not be written then is written after the
// next start, from the facts of then.
func (w *Writer) Run(ctx context.Context) error {
	if w.broadcaster != nil {
		if err := w.broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
			return fmt.Errorf("record Kubernetes Events: %w", err)
		}
		defer w.broadcaster.Shutdown()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { w.promote(ctx); return nil })
	g.Go(func() error {
		w.pump(ctx, pump{
			wake: w.board.wakeRouted, levels: []urgency{routed},
			limit: rate.NewLimiter(routedPerSecond, 1), slots: make(chan struct{}, routedInFlight),
		})
		return nil
	})
	g.Go(func() error {
		w.pump(ctx, pump{
			wake: w.board.wakeOthers, levels: []urgency{turned, moved}, notices: true,
			limit: rate.NewLimiter(othersPerSecond, 1), slots: make(chan struct{}, othersInFlight),
		})
		return nil
	})
	return g.Wait()
}

// promote moves what has become due into the queues.
func (w *Writer) promote(ctx context.Context) {
	for {
		next, waiting := w.board.promote(time.Now())
		// A timer that never fires stands for nothing to wait for.
		var due <-chan time.Time
		if waiting {
			due = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return
		case <-w.board.wakeLater:
		case <-due:
		}
	}
}

// write makes one write and records what came of it.
func (w *Writer) write(ctx context.Context, j job) {
	bounded, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := w.sink.apply(bounded, j.entry.key, j.uid, j.wanted)
	now := time.Now()
	k := j.entry.key
	switch {
	case err != nil && ctx.Err() != nil:
		return // the Writer stops, which is no failure
	case err == nil:
		if w.outage.over() {
			w.log.Info("Resumed writing statuses")
		}
		w.board.wrote(j, now)
	case apierrors.IsNotFound(err):
		w.board.forgetEntry(j, now)
	case errors.Is(err, errOtherObject):
		w.board.sleep(j, now)
	case errors.Is(err, errOutdated):
		w.board.failed(j, w.board.backoff(j, minOutdatedWait, maxOutdatedWait), now)
	case isAboutObject(err):
		wait := w.board.backoff(j, minObjectWait, maxObjectWait)
		w.log.Warn("Could not write a status", "kind", k.kind, "object", k.name.String(), "error", err, "nextAttemptIn", wait)
		w.board.failed(j, wait, now)
	default:
		if wait, first := w.outage.began(err, now); first {
			w.log.Warn("Held writing statuses back", "error", err, "nextAttemptIn", wait)
		}
		w.board.failed(j, 0, now)
	}
}

// isAboutObject reports whether an error concerns one object, so that the others may go on. Forbidden
// does: the rights are the same for all, while an admission webhook denies in some namespaces.
func isAboutObject(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err)
}
