// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/payload"
)

// work sends one task after the other until its lane has nothing more to send now.
func (d *Dispatcher) work(l *lane, t *task) {
	for t != nil {
		d.send(t)
		t = d.another(l)
	}
}

// another is a worker's next task; nil ends the worker.
func (d *Dispatcher) another(l *lane) *task {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopping && l.endpoint != nil && l.workers <= l.endpoint.Concurrency {
		t, wait := d.next(l, time.Now())
		if t != nil {
			d.start(t)
			return t
		}
		d.wakeIn(l, wait)
	}
	l.workers--
	return nil
}

// send makes one attempt and settles it.
func (d *Dispatcher) send(t *task) {
	if t.message == nil && !d.load(t) {
		return
	}
	d.mu.Lock()
	endpoint, spec, kind := t.lane.endpoint, t.sub.spec, t.kind()
	maxAge := d.policyOf(t.sub, kind).MaxAge
	d.mu.Unlock()
	now := time.Now()
	switch {
	case endpoint == nil || spec == nil && kind == delivery.KindEvent:
		d.giveBack(t, time.Time{}) // deleted between the choice and now
		return
	case kind == delivery.KindDeadLetter && !endpoint.AdmitsNamespace(t.sub.name.Namespace):
		d.giveBack(t, now.Add(grantInterval))
		return
	case t.tooOld(maxAge, now):
		d.expire(t, now)
		return
	}
	id := t.id(kind)
	body, err := t.render(spec, kind)
	var response delivery.Response
	if err != nil {
		// The error may repeat what the event says, so the tenant is told where to look instead.
		response = delivery.Response{Reason: delivery.ReasonPayload, Message: payloadFailed}
	} else {
		response = d.opts.Sender.Send(d.run, delivery.NewRequest(endpoint, body, id, now, t.deadLetterHeaders(kind)))
	}
	d.finish(t, endpoint, id, &response, now)
}

// grantInterval is how often a dead letter looks again for the grant of its dead-letter endpoint in
// another namespace.
const grantInterval = time.Minute

// payloadFailed is what an attempt log shows of an event that no body could be made of.
const payloadFailed = "The body could not be made of this event; check payload.transform of the subscription against the event's data."

// render makes the body. A dead letter whose transform failed, or whose subscription is gone, goes as
// it is.
func (t *task) render(spec *delivery.Subscription, kind delivery.Kind) (*payload.Body, error) {
	if spec != nil {
		body, err := t.message.body(spec.Payload)
		if err == nil || kind == delivery.KindEvent {
			return body, err
		}
	}
	return t.message.body(plainPlan)
}

// plainPlan is the default payload.
var plainPlan = func() *payload.Plan {
	p, err := payload.NewPlan(payload.FormatCloudEvents, "")
	if err != nil {
		panic(err) // no transform, nothing to fail
	}
	return p
}()

// load reads a stored delivery. When that fails the task is given back and false returned.
func (d *Dispatcher) load(t *task) bool {
	m, err := d.log.Waiting(d.run, t.waiting.seq)
	var s *delivery.Stored
	if err == nil {
		s, err = delivery.DecodeStored(m.Data)
	}
	if err == nil {
		t.seq, t.accepted, t.attempts, t.last = s.EventSeq, s.AcceptedAt, s.Attempts, s
		t.message, err = newMessage(s.EventSeq, s.AcceptedAt, s.Event)
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, eventlog.ErrUnavailable), d.run.Err() != nil:
		d.giveBack(t, time.Now().Add(time.Second))
	default:
		d.logger.Error("Failed to read waiting delivery", "sequence", t.waiting.seq,
			"subscription", t.sub.name.String(), "error", err)
		d.metrics.unreadable.Inc()
		d.giveBack(t, time.Now().Add(time.Minute))
	}
	return false
}

// giveBack returns a task that was chosen and not sent to where it waited.
func (d *Dispatcher) giveBack(t *task, due time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	defer d.release(t, now)
	if o := t.parked; o != nil { // by a step that is still with the flusher: the delivery waits where that puts it
		o.stillInFlight, t.state = false, taskSettling
		return
	}
	if t.waiting.seq == 0 { // not stored yet
		t.state = taskQueued
		d.park(t, now)
		return
	}
	w := t.waiting
	if !due.IsZero() {
		w.due = due.UnixMilli()
	}
	d.deactivate(w)
	d.shelveAt(t.lane, w)
}

// tooOld reports whether the delivery has outlived its maxAge.
func (t *task) tooOld(maxAge time.Duration, now time.Time) bool {
	return maxAge > 0 && now.Sub(t.accepted) > maxAge
}

// expire ends a chosen task whose age is over.
func (d *Dispatcher) expire(t *task, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kill(t, delivery.DeadExpired, now)
	d.release(t, now)
}

// deadLetterHeaders tell a dead-letter endpoint why the delivery ended.
func (t *task) deadLetterHeaders(kind delivery.Kind) []delivery.HeaderField {
	if kind != delivery.KindDeadLetter || t.last == nil {
		return nil
	}
	h := []delivery.HeaderField{
		{Name: delivery.HeaderDeadLetterReason, Value: string(t.last.DeadLetter)},
		{Name: delivery.HeaderDeadLetterSubscription, Value: t.sub.name.String()},
		{Name: delivery.HeaderDeadLetterEndpoint, Value: t.last.DeadEndpoint.String()},
		{Name: delivery.HeaderDeadLetterAttempts, Value: strconv.Itoa(t.last.DeadAttempts)},
	}
	if t.last.LastStatus != 0 {
		h = append(h, delivery.HeaderField{Name: delivery.HeaderDeadLetterStatusCode, Value: strconv.Itoa(t.last.LastStatus)})
	}
	if t.last.LastReason != "" {
		h = append(h, delivery.HeaderField{Name: delivery.HeaderDeadLetterFailure, Value: string(t.last.LastReason)})
	}
	return h
}

// finish settles an attempt that was made under an id.
func (d *Dispatcher) finish(t *task, e *delivery.Endpoint, id string, r *delivery.Response, began time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	l := t.lane
	if r.Reason == delivery.ReasonInterrupted {
		d.interrupted(t)
		d.release(t, now)
		return
	}
	d.judge(t, r, now)
	t.attempts++
	policy := d.policyOf(t.sub, t.kind())
	wait, retries := policy.Next(t.attempts, r.RetryAfter, rand.Float64()) //nolint:gosec // jitter is no secret
	decision := delivery.Decide(r, policy, retries)
	record := t.record(id, began)
	record.Attempted, record.Duration = true, r.Duration
	record.StatusCode, record.Reason, record.Message, record.Response = r.StatusCode, r.Reason, r.Message, r.Body
	record.Outcome = decision.Outcome
	if decision.Outcome == delivery.OutcomeRetry {
		record.NextAttempt = now.Add(wait)
	}
	d.note(t, &record, now)
	if r.Refusal != nil && l.endpoint == e { // names may lead elsewhere than when they were vetted
		d.logVerdict(l, r.Refusal)
	}
	if decision.Disable {
		d.disable(l, e, disabledGone, now)
	}
	d.settle(t, &record, decision.DeadLetter, now)
	d.react(t, r, now)
}

// settle hands the outcome of an attempt to the flusher.
func (d *Dispatcher) settle(t *task, r *delivery.Record, dead delivery.DeadLetterReason, now time.Time) {
	switch r.Outcome {
	case delivery.OutcomeDelivered:
		t.recorded, t.state = true, taskSettling
		d.add(&op{task: t, record: *r})
	case delivery.OutcomeDeadLettered:
		d.bury(t, r, dead, now)
	default:
		t.recorded, t.state = true, taskSettling
		s := t.stored()
		s.Due, s.LastReason, s.LastStatus, s.LastTime = r.NextAttempt, r.Reason, r.StatusCode, r.Time
		d.add(&op{task: t, record: *r, store: s})
	}
}

// interrupted leaves a delivery whose request was cut off by our stop to the next start: what came
// from storage stays there, and what came from the window is above the floor.
func (d *Dispatcher) interrupted(t *task) {
	t.state = taskSettling
	d.logger.Warn("Interrupted delivery", "subscription", t.sub.name.String(), "endpoint", t.lane.name.String())
}

// judge tells the circuit and the lane how the endpoint did.
func (d *Dispatcher) judge(t *task, r *delivery.Response, now time.Time) {
	l, verdict := t.lane, r.Verdict()
	t.report(verdict, now)
	since := l.failingSince
	switch {
	case verdict == breaker.Success:
		l.failingSince = time.Time{}
	case since.IsZero() && (verdict == breaker.Failure || r.Reason == delivery.ReasonRateLimited):
		l.failingSince = now
	}
	if e := l.endpoint; e != nil && e.DisableAfter > 0 && l.failingSince != since {
		d.saveEndpoint(l) // the time before a restart counts too
	}
	switch {
	case r.Reason == delivery.ReasonRateLimited:
		l.pause(r.RetryAfter, now)
	case r.StatusCode != 0 || verdict != breaker.Neutral: // a body that failed, or the egress guard, does not speak for it
		l.backoff = 0
	}
}

// pause leaves the endpoint alone, since it answered 429. Answers to requests side by side count once, and none
// of them ends the pause sooner.
func (l *lane) pause(retryAfter time.Duration, now time.Time) {
	if l.backoff == 0 || !now.Before(l.paused) {
		l.backoff = min(max(2*l.backoff, minPause), maxPause)
	}
	if until := now.Add(max(l.backoff, min(retryAfter, maxPause))); until.After(l.paused) {
		l.paused = until
	}
}

// How long an endpoint that answered 429 is left alone: twice as long each time in a row.
const (
	minPause = time.Second
	maxPause = time.Minute
)

// react acts on what the attempt changed: a circuit that opened or closed, an endpoint to disable.
func (d *Dispatcher) react(t *task, r *delivery.Response, now time.Time) {
	l := t.lane
	if c := t.circuit; c != nil {
		t.circuit = nil
		d.circuitMoved(c, now)
	}
	if e := l.endpoint; e != nil && e.DisableAfter > 0 && l.disabled == nil && !l.failingSince.IsZero() &&
		now.Sub(l.failingSince) >= e.DisableAfter && r.Reason != delivery.ReasonNone {
		d.disable(l, e, disabledFailing, now)
	}
}

// note counts an attempt in the metrics and logs it.
func (d *Dispatcher) note(t *task, r *delivery.Record, now time.Time) {
	l, s := t.lane, t.sub
	s.dirty, l.dirty = true, true
	d.handled.Add(1)
	d.metrics.attempt(r)
	if !d.logger.Enabled(d.run, slog.LevelDebug) { // what the line says costs more than to find out
		return
	}
	d.logger.Debug("Attempted delivery", "endpoint", l.name.String(), "subscription", s.name.String(), "eventID", r.EventID,
		"deliveryID", r.DeliveryID, "attempt", r.Attempt, "statusCode", r.StatusCode, "reason", string(r.Reason),
		"duration", r.Duration, "nextAttemptIn", nextIn(r, now))
}

// nextIn is how long it is to the next attempt; 0 when there is none.
func nextIn(r *delivery.Record, now time.Time) time.Duration {
	if r.NextAttempt.IsZero() {
		return 0
	}
	return r.NextAttempt.Sub(now)
}
