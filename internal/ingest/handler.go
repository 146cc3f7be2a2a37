// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// Handler takes events. It is safe for concurrent use and starts no goroutines.
type Handler struct {
	options   Options
	bodies    bodies
	window    *window
	keys      keys
	metrics   *metrics
	recovered atomic.Bool
	// reading has one request read for all that cannot go on in doubt.
	reading singleflight.Group
	// faults keeps an outage of the log from filling the process' own log.
	faults rate.Sometimes
}

// New returns a Handler, which answers 503 until Recover has returned.
func New(o Options) (*Handler, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	m := newMetrics(o.Registerer)
	showEvictedKeys(o.Registerer, o.Log)
	return &Handler{
		options: o,
		bodies:  bodies{limit: o.BodyMemory},
		window:  newWindow(o.Window, o.WindowEntries, m),
		keys:    keys{flights: map[string]*keyFlight{}},
		metrics: m,
		faults:  rate.Sometimes{Interval: time.Second},
	}, nil
}

// Mount registers the handler's paths.
func (h *Handler) Mount(mux *http.ServeMux) {
	mux.Handle(Pattern, h)
	mux.Handle(PatternWithType, h)
}

// Recover reads from the log which events were stored lately, so that repetitions of them are
// known. It may be called again after an error.
func (h *Handler) Recover(ctx context.Context) error {
	if err := h.learn(ctx, doubt{}); err != nil {
		return err
	}
	h.recovered.Store(true)
	return nil
}

// ServeHTTP takes the events of one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	answer, err := h.take(w, r)
	if err != nil {
		p := problem.From(err)
		if p.Status >= http.StatusInternalServerError {
			h.faults.Do(func() {
				h.options.Logger.WarnContext(r.Context(), "Refused events", "statusCode", p.Status, "reason", err)
			})
		}
		p.Write(w)
		h.metrics.answered(p.Status, time.Since(start))
		return
	}
	answer.write(w)
	h.metrics.answered(http.StatusAccepted, time.Since(start))
}

// take reads the request and stores its events.
func (h *Handler) take(w http.ResponseWriter, r *http.Request) (*answer, error) {
	m, err := h.admitRequest(r)
	if err != nil {
		return nil, err
	}
	body, err := h.bodies.read(w, r, m.mode.limit())
	if err != nil {
		h.metrics.refused.Inc()
		return nil, err
	}
	defer body.release()
	m.body = body.bytes
	events, err := m.parse()
	if err != nil {
		h.metrics.refused.Inc()
		return nil, err
	}
	types := h.typesOf(m.namespace)
	answer, err := h.accept(r.Context(), m, types, events)
	if err != nil {
		h.metrics.refused.Add(float64(len(events)))
		return nil, err
	}
	see(types, events)
	h.metrics.accepted.Add(float64(len(events) - answer.duplicates))
	h.metrics.duplicate.Add(float64(answer.duplicates))
	h.metrics.bytes.Add(float64(len(m.body)))
	return answer, nil
}

// admitRequest decides by the request's header whether its body is worth reading.
func (h *Handler) admitRequest(r *http.Request) (*message, error) {
	t, err := parseTarget(r.URL)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodPost {
		return nil, problem.MethodRefused(r.Method, http.MethodPost)
	}
	if err := h.available(); err != nil {
		return nil, err
	}
	m := &message{target: t, header: r.Header}
	if m.origin, err = h.authenticate(r, t.namespace); err != nil {
		return nil, err
	}
	if err := h.typesKnown(t.namespace); err != nil {
		return nil, err
	}
	if m.mode, err = modeOf(t, r.Header); err != nil {
		return nil, err
	}
	m.key, err = idempotencyKey(r.Header)
	return m, err
}

// available returns why no events can be taken now.
func (h *Handler) available() error {
	if !h.recovered.Load() {
		return problem.Unavailable.New("The event log is being read after a start; try again.").After(time.Second)
	}
	if err := h.options.Ready(); err != nil {
		return problem.Unavailable.New("No events can be taken now: " + err.Error() + "; try again.").After(storeRetryAfter)
	}
	return nil
}

// authenticate returns the origin of the request's events.
func (h *Handler) authenticate(r *http.Request, namespace string) (string, error) {
	if h.options.Access == nil {
		return originUnauthenticated, nil
	}
	token, err := problem.Bearer(r)
	if err != nil {
		return "", err
	}
	username, err := h.options.Access.Pass(r.Context(), token, namespace)
	if err != nil {
		return "", err
	}
	return originOf(username), nil
}

// accept checks the events and stores them, once if the message has a key: what was accepted before stays so, even if
// its type has changed since.
func (h *Handler) accept(ctx context.Context, m *message, types map[string]*catalogue.Type, events []*event.Event) (*answer, error) {
	a := &answer{events: events}
	store := func() (err error) {
		if err := h.check(types, events, m.mode == modeBatch); err != nil {
			return err
		}
		a.duplicates, err = h.store(ctx, m.namespace, events)
		return err
	}
	if m.key == "" {
		return a, store()
	}
	replayed, err := h.once(ctx, m, store)
	if replayed {
		a.duplicates = len(events)
	}
	return a, err
}
