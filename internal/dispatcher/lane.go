// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
)

// congested is how long the head of a lane's queue may have waited before the lane counts as slow,
// and what it is given is parked instead of filling the window that all share.
const congested = time.Second

// lane is the way to one endpoint: what waits for it in memory and in storage, and whether it may be
// sent.
type lane struct {
	name delivery.Name
	// endpoint is the compiled object; nil while there is none.
	endpoint *delivery.Endpoint
	invalid  *notRouted
	// gone is when the object was found missing; seen says that it has been there.
	gone time.Time
	seen bool

	// queue holds the tasks that are in memory, oldest first.
	queue queue
	// backlog holds the stored deliveries that may be sent when they are due, held those whose
	// subscription holds them back.
	backlog backlog
	held    map[*subscription][]waiting
	// subs are the subscriptions that send here.
	subs map[*subscription]struct{}
	// workers is how many goroutines send, and active how many stored deliveries are in memory.
	workers int
	// storedTurn says that a stored delivery goes next when both kinds are there.
	storedTurn bool

	limiter *rate.Limiter
	circuit *circuit
	// paused is until when the endpoint asked to be left alone (429), and backoff how long the last
	// pause was; 0 once a request has ended otherwise.
	paused  time.Time
	backoff time.Duration
	// wake is the timer that looks at the lane again.
	wake *time.Timer

	disabled *disabled
	// failingSince is when the endpoint began to fail without a success since.
	failingSince time.Time
	// handled is the value of the annotation posthorn.dev/enable that was acted on last.
	handled string

	destinationChecked bool
	destination        error
	// refusal is the one that was logged; nil since the destination was admitted.
	refusal *egress.Refusal
	figures figures
	saved   tally // of the figures that are stored
	dirty   bool
}

// disabled says since when and why an endpoint is disabled, and which spec it had: a change of that
// enables it again, as a new value of the annotation does.
type disabled struct {
	Since      time.Time `json:"since"`
	Reason     string    `json:"reason"`
	Generation int64     `json:"generation"`
	UID        string    `json:"uid"`
}

// Reasons why an endpoint is disabled.
const (
	disabledGone    = "Gone"
	disabledFailing = "FailingTooLong"
)

// within reports whether the endpoint was there until less than hold ago.
func (l *lane) within(now time.Time, hold time.Duration) bool {
	return l.seen && !l.gone.IsZero() && now.Sub(l.gone) < hold
}

// sends reports whether the lane sends at all, its circuit and limits apart.
func (l *lane) sends() bool {
	return l.endpoint != nil && !l.endpoint.Suspended && l.disabled == nil
}

// parks reports whether a task that comes now is better stored than queued.
func (l *lane) parks(s *subscription, now time.Time) bool {
	if !l.sends() || s.holds() || !l.circuit.flows() {
		return true
	}
	head := l.queue.peek()
	return head != nil && now.Sub(head.queued) > congested
}

// configure takes over a new spec.
func (l *lane) configure(e *delivery.Endpoint) {
	l.endpoint, l.invalid = e, nil
	l.limit(e.Rate, max(e.Burst, 1))
}

// limit takes over a rate limit. What was used up of the one before stays used up: a change of spec
// grants no burst.
func (l *lane) limit(perSecond float64, burst int) {
	switch {
	case perSecond <= 0:
		l.limiter = nil
	case l.limiter == nil:
		l.limiter = rate.NewLimiter(rate.Limit(perSecond), burst)
	default:
		l.limiter.SetLimit(rate.Limit(perSecond))
		l.limiter.SetBurst(burst)
	}
}

// ready reports whether there is something to send now.
func (l *lane) ready(now time.Time) bool {
	return l.queue.len() > 0 || len(l.backlog) > 0 && l.backlog[0].due <= now.UnixMilli()
}

// next takes what is to be sent now. When there is nothing, wait says when to look again; 0 means
// that somebody will call.
func (l *lane) next(now time.Time) (t *task, wait time.Duration) {
	if !l.sends() {
		return nil, 0
	}
	if !l.ready(now) {
		if len(l.backlog) > 0 {
			return nil, l.backlog[0].dueAt().Sub(now)
		}
		return nil, 0
	}
	if wait := l.paused.Sub(now); wait > 0 {
		return nil, wait
	}
	if l.limiter != nil {
		if tokens := l.limiter.TokensAt(now); tokens < 1 {
			wait := time.Duration((1 - tokens) / float64(l.limiter.Limit()) * float64(time.Second))
			return nil, max(wait, time.Millisecond) // never 0: nobody else would call
		}
	}
	ok, wait := l.circuit.acquire(now)
	if !ok {
		return nil, wait
	}
	if l.limiter != nil {
		l.limiter.AllowN(now, 1)
	}
	t = l.take(now)
	t.circuit = l.circuit
	return t, 0
}

// take removes the next task. Stored ones and new ones take turns, so that neither starves.
func (l *lane) take(now time.Time) *task {
	stored := len(l.backlog) > 0 && l.backlog[0].due <= now.UnixMilli()
	if stored && (l.storedTurn || l.queue.len() == 0) {
		l.storedTurn = false
		w := l.backlog.take()
		return &task{
			sub: w.sub, lane: l, state: taskInFlight, waiting: w, accepted: w.acceptedAt(), recorded: true,
		}
	}
	l.storedTurn = true
	t := l.queue.take()
	t.state = taskInFlight
	return t
}

// queue is a first-in, first-out list of tasks.
type queue struct {
	tasks []*task
	head  int
}

func (q *queue) len() int { return len(q.tasks) - q.head }

// peek is the oldest task, or nil.
func (q *queue) peek() *task {
	if q.len() == 0 {
		return nil
	}
	return q.tasks[q.head]
}

func (q *queue) add(t *task) { q.tasks = append(q.tasks, t) }

// take removes the oldest task.
func (q *queue) take() *task {
	t := q.tasks[q.head]
	q.tasks[q.head] = nil
	q.head++
	if q.head == len(q.tasks) {
		q.tasks, q.head = q.tasks[:0], 0
	} else if q.head > 1024 && q.head > len(q.tasks)/2 {
		q.tasks = append([]*task(nil), q.tasks[q.head:]...)
		q.head = 0
	}
	return t
}

// extract removes and returns the tasks that match, in order.
func (q *queue) extract(match func(*task) bool) []*task {
	var out, rest []*task
	for _, t := range q.tasks[q.head:] {
		if match(t) {
			out = append(out, t)
		} else {
			rest = append(rest, t)
		}
	}
	q.tasks, q.head = rest, 0
	return out
}
