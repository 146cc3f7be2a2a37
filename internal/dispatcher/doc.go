// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package dispatcher is the data plane: it reads accepted events in order, routes them to lanes, one
// per endpoint, sends them, and records what came of it, so that a restart goes on where it stopped.
//
// The way of an event: the reader takes it from the event log into the window of unsettled events
// and makes a task for each subscription that wants it. A task waits in the memory of its lane until
// a worker sends it. What cannot be sent now (lane slow, circuit open, suspended, due later) is
// parked: it becomes a waiting delivery in the event log, of which the lane remembers only sequence
// and due time. The flusher records every step, a few milliseconds' worth in one message, together
// with the floor below which all events are settled.
//
// One mutex guards all of that state. It is held for moves in memory only, never for I/O.
package dispatcher
