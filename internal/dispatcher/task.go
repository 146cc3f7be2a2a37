// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"sync"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/payload"
)

// message is one event in memory, shared by the tasks that it fans out to.
type message struct {
	seq      uint64
	accepted time.Time
	record   []byte
	event    *event.Event
	input    *filter.Input

	mu     sync.Mutex
	bodies []rendered
}

// rendered is a body that several deliveries share.
type rendered struct {
	format payload.Format
	body   *payload.Body
}

// newMessage decodes a stored event.
func newMessage(seq uint64, accepted time.Time, record []byte) (*message, error) {
	e, err := event.DecodeRecord(record)
	if err != nil {
		return nil, err
	}
	return &message{seq: seq, accepted: accepted, record: record, event: e, input: filter.NewInput(e)}, nil
}

// body renders the event for a plan, once for all plans that differ in nothing but their owner.
func (m *message) body(p *payload.Plan) (*payload.Body, error) {
	if !p.Shared() {
		return p.Render(m.input)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.bodies { // of the three formats there are
		if r.format == p.Format() {
			return r.body, nil
		}
	}
	b, err := p.Render(m.input)
	if err != nil {
		return nil, err
	}
	m.bodies = append(m.bodies, rendered{format: p.Format(), body: b})
	return b, nil
}

// taskState is where a task is. It only moves forward.
type taskState int

const (
	taskQueued taskState = iota
	taskInFlight
	taskSettling // its record is with the flusher
)

// task is one delivery that is in memory: queued, in flight, or on its way to the flusher.
type task struct {
	sub   *subscription
	lane  *lane
	state taskState
	// circuit is the one that let the request through, and that is told what came of it: the lane may
	// stand behind another one by then. It is nil once it was told.
	circuit *circuit
	// entry is its unsettled event; nil once that was recorded, and for what came from storage.
	entry *entry
	// message is its event; nil until what came from storage is loaded.
	message *message
	// waiting is the stored delivery that it came from, or that it was parked as while in flight;
	// seq 0 when there is none.
	waiting waiting
	// parked is the step that parks it while it is in flight, for as long as that is with the flusher.
	parked *op
	// seq and accepted are the event's.
	seq      uint64
	accepted time.Time
	queued   time.Time
	attempts int
	// recorded says that a record of the pair is stored or with the flusher.
	recorded bool
	// last is what the stored delivery says of its last attempt; nil for a fresh one.
	last *delivery.Stored
}

// kind tells whether the task delivers an event or a dead letter. The caller holds the mutex: a task in flight may
// be stored meanwhile.
func (t *task) kind() delivery.Kind {
	if t.waiting.isDeadLetter() {
		return delivery.KindDeadLetter
	}
	return delivery.KindEvent
}

// stored is the task as a delivery outside memory.
func (t *task) stored() *delivery.Stored {
	s := &delivery.Stored{
		EventSeq: t.seq, Subscription: t.sub.name, Kind: t.kind(), Endpoint: t.lane.name,
		Attempts: t.attempts, AcceptedAt: t.accepted, Event: t.message.record,
	}
	if t.last != nil {
		s.LastReason, s.LastStatus, s.LastTime = t.last.LastReason, t.last.LastStatus, t.last.LastTime
		s.DeadLetter, s.DeadAt = t.last.DeadLetter, t.last.DeadAt
		s.DeadEndpoint, s.DeadAttempts = t.last.DeadEndpoint, t.last.DeadAttempts
	}
	return s
}

// id is the delivery's id.
func (t *task) id(kind delivery.Kind) string { return delivery.ID(t.message.event, t.sub.name, kind) }

// record is the beginning of a record about the task, whose delivery has an id.
func (t *task) record(id string, at time.Time) delivery.Record {
	e := t.message.event
	return delivery.Record{
		EventSeq: t.seq, Subscription: t.sub.name, Kind: t.kind(), Endpoint: t.lane.name,
		EventID: e.ID, EventType: e.Type, DeliveryID: id,
		First: !t.recorded, Attempt: t.attempts, Time: at,
	}
}
