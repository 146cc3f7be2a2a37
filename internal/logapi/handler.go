// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package logapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// Patterns for http.ServeMux of the paths that a Handler serves.
const (
	PatternDeliveries  = "/v1/namespaces/{namespace}/deliveries"
	PatternEvent       = "/v1/namespaces/{namespace}/deliveries/{id}/event"
	PatternDeadLetters = "/v1/namespaces/{namespace}/deadletters"
	PatternCircuits    = "/v1/namespaces/{namespace}/circuits"
	PatternAllCircuits = "/circuits"
)

// retryAfter is what clients are asked to wait when the log is busy or away.
const retryAfter = 5 * time.Second

// Handler serves the delivery log. It is safe for concurrent use and starts no goroutines.
type Handler struct {
	options Options
	mux     *http.ServeMux
	queries chan struct{} // one element for each running query
	// faults keeps an outage of the log from filling the process' own log.
	faults rate.Sometimes
}

// endpoint is one path: it returns what is encoded as the JSON answer. A []byte is the answer itself.
type endpoint func(r *http.Request) (any, error)

// New returns a Handler.
func New(o Options) (*Handler, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	h := &Handler{
		options: o,
		mux:     http.NewServeMux(),
		queries: make(chan struct{}, maxQueries),
		faults:  rate.Sometimes{Interval: time.Second},
	}
	h.Mount(h.mux)
	h.mux.Handle("/", problem.NotFound.New("There is nothing at this path of the delivery log."))
	return h, nil
}

// Mount registers the handler's paths.
func (h *Handler) Mount(mux *http.ServeMux) {
	mux.Handle(PatternDeliveries, h.serve(h.deliveries))
	mux.Handle(PatternDeadLetters, h.serve(h.deadLetters))
	mux.Handle(PatternEvent, h.serve(h.event))
	mux.Handle(PatternCircuits, h.serve(h.circuits))
	mux.Handle(PatternAllCircuits, h.serve(h.circuits))
}

// ServeHTTP serves the paths for who mounts the handler as a whole.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// serve makes an http.Handler of an endpoint.
func (h *Handler) serve(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := h.answer(r, e)
		if err != nil {
			p := problem.From(err)
			if p.Status >= http.StatusInternalServerError {
				h.faults.Do(func() {
					h.options.Logger.WarnContext(r.Context(), "Refused a query of the delivery log",
						"statusCode", p.Status, "reason", err)
				})
			}
			p.Write(w)
			return
		}
		write(w, answer)
	})
}

// answer runs an endpoint within the time that a query may take.
func (h *Handler) answer(r *http.Request, e endpoint) (any, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, problem.MethodRefused(r.Method, "GET, HEAD")
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.options.Timeout)
	defer cancel()
	answer, err := e(r.WithContext(ctx))
	if err != nil {
		return nil, logProblem(err)
	}
	return answer, nil
}

// write answers 200. Nothing is cached: the log grows, and rights are taken back.
func write(w http.ResponseWriter, answer any) {
	contentType := "application/json"
	body, ok := answer.([]byte)
	if ok {
		contentType = mediaEvent
	} else {
		var err error
		if body, err = json.Marshal(answer); err != nil { // views hold strings, numbers and times only
			problem.Internal.New("The answer could not be written.").Write(w)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	// A client that went away cannot be told so.
	_, _ = w.Write(append(body, '\n'))
}

// pass checks the caller's right in a namespace; an empty one means in all.
func (h *Handler) pass(r *http.Request, access Access, namespace string) error {
	if namespace != "" {
		if err := problem.CheckNamespace(namespace); err != nil {
			return err
		}
	}
	if h.options.AllowUnauthenticated {
		return nil
	}
	token, err := problem.Bearer(r)
	if err != nil {
		return err
	}
	_, err = access.Pass(r.Context(), token, namespace)
	return err
}

// query waits for its turn and runs.
func (h *Handler) query(ctx context.Context, run func(context.Context) error) error {
	select {
	case h.queries <- struct{}{}:
		defer func() { <-h.queries }()
		return run(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Handler) deliveries(r *http.Request) (any, error) {
	return h.page(r, h.options.Deliveries.Query)
}

func (h *Handler) deadLetters(r *http.Request) (any, error) {
	return h.page(r, h.options.Deliveries.DeadLetters)
}

// page answers with one page of records.
func (h *Handler) page(
	r *http.Request, read func(context.Context, deliverylog.Query) (deliverylog.Page, error),
) (any, error) {
	namespace := r.PathValue("namespace")
	if err := h.pass(r, h.options.Access, namespace); err != nil {
		return nil, err
	}
	q, err := parseQuery(namespace, r.URL.RawQuery, time.Now())
	if err != nil {
		return nil, err
	}
	var page deliverylog.Page
	err = h.query(r.Context(), func(ctx context.Context) (err error) {
		page, err = read(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return newPageView(page), nil
}

// event answers with the event of one delivery.
func (h *Handler) event(r *http.Request) (any, error) {
	namespace := r.PathValue("namespace")
	for _, access := range []Access{h.options.Access, h.options.EventAccess} {
		if err := h.pass(r, access, namespace); err != nil {
			return nil, err
		}
	}
	if err := noParameters(r.URL.RawQuery); err != nil {
		return nil, err
	}
	var found *event.Event
	err := h.query(r.Context(), func(ctx context.Context) (err error) {
		found, err = h.options.Deliveries.Event(ctx, namespace, r.PathValue("id"))
		return err
	})
	if err != nil {
		return nil, err
	}
	return found.AppendStructured(nil), nil
}

// circuits answers with the circuits of a namespace, or of all.
func (h *Handler) circuits(r *http.Request) (any, error) {
	namespace, err := circuitsNamespace(r)
	if err != nil {
		return nil, err
	}
	if err := h.pass(r, h.options.Access, namespace); err != nil {
		return nil, err
	}
	return newCircuitsView(h.options.Circuits(namespace)), nil
}

// logFailure is an error of the delivery log with the answer that it leads to.
type logFailure struct {
	answer *problem.Problem
	cause  error
}

// Error returns the cause, for the log.
func (f *logFailure) Error() string { return f.cause.Error() }

// Unwrap returns the cause.
func (f *logFailure) Unwrap() error { return f.cause }

// Problem returns the answer.
func (f *logFailure) Problem() *problem.Problem { return f.answer }

// logProblem gives the errors of the log their answers. Others keep theirs.
func logProblem(err error) error {
	switch {
	case errors.Is(err, deliverylog.ErrCursor):
		return problem.BadRequest.New("The cursor is not one that a page of this log had as next: " +
			"begin again without a cursor.").About("cursor")
	case errors.Is(err, eventlog.ErrNotFound):
		return problem.NotFound.New("The log does not know this delivery, or its event is past its retention.")
	case errors.Is(err, eventlog.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &logFailure{problem.Unavailable.New("The delivery log did not answer in time: " +
			"ask for a shorter time, or try again.").After(retryAfter), err}
	}
	return err
}
