// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import "time"

// maxUnrecorded is how many steps may wait for the flusher before no stored delivery is sent or ended: as many as there
// may be deliveries in the window. While the log cannot be written, what is answered would all be sent again after a
// kill, and what is ended is in memory until then. Fresh deliveries go on, since the window bounds them.
const maxUnrecorded = maxUnsettledTasks

// behind reports whether the flusher is so far behind that stored deliveries wait for it. The caller holds the mutex.
func (d *Dispatcher) behind() bool { return len(d.ops) >= maxUnrecorded }

// next takes what a lane is to send now, as lane.next does, and nothing stored while the flusher is behind. The caller
// holds the mutex.
func (d *Dispatcher) next(l *lane, now time.Time) (t *task, wait time.Duration) {
	if d.behind() && len(l.backlog) > 0 {
		d.stalled[l] = struct{}{}
		if l.queue.len() == 0 {
			return nil, 0 // resume calls
		}
		l.storedTurn = false
	}
	return l.next(now)
}

// resume has the lanes go on that waited for the flusher. The caller holds the mutex.
func (d *Dispatcher) resume() {
	if len(d.stalled) == 0 || d.behind() {
		return
	}
	stalled, now := d.stalled, time.Now()
	d.stalled = map[*lane]struct{}{}
	for l := range stalled {
		d.pump(l, now)
	}
}
