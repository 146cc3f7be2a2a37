// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/recorder"
)

const (
	// unread is how long an answer may lie in a socket of a busy machine before the dispatcher reads it. The
	// request is in flight until then, though the receiver has answered.
	unread = 20 * time.Millisecond
	// longSettled is how long before a crash an answer must have come to be recorded beyond doubt, on a machine
	// however busy.
	longSettled = 5 * time.Second
)

// outage is the time between the end of one run of the dispatcher and the start of the next.
type outage struct {
	killed, restarted time.Time
}

// ledger is what the receivers know.
type ledger struct {
	requests []recorder.Request
	// delivered are the requests that were answered with 2xx, by endpoint and event, in order.
	delivered map[[2]string][]recorder.Request
	// refused are those that were answered with 422.
	refused map[[2]string]bool
}

func newLedger(requests []recorder.Request) *ledger {
	l := &ledger{requests: requests, delivered: map[[2]string][]recorder.Request{}, refused: map[[2]string]bool{}}
	for _, q := range requests {
		pair := [2]string{q.Endpoint, q.Event}
		switch q.Status {
		case http.StatusOK:
			l.delivered[pair] = append(l.delivered[pair], q)
		case http.StatusUnprocessableEntity:
			l.refused[pair] = true
		}
	}
	return l
}

// checkComplete is checkDelivered, and nothing else may have arrived.
func (l *ledger) checkComplete(t *testing.T, accepted map[string]int) (deliveries, refusals int) {
	t.Helper()
	deliveries, refusals = l.checkDelivered(t, accepted)
	if more := len(l.delivered) - (deliveries - refusals); more > 0 {
		t.Errorf("%d deliveries arrived that nobody asked for", more)
	}
	return deliveries, refusals
}

// checkDelivered fails the test unless every accepted event reached every endpoint that wanted it. It returns
// how many deliveries that are, and how many of them were refused for good.
func (l *ledger) checkDelivered(t *testing.T, accepted map[string]int) (deliveries, refusals int) {
	t.Helper()
	missing := 0
	for event, number := range accepted {
		for i := number; i < fleetSize; i += fleetKinds {
			pair := [2]string{endpointName(i), event}
			deliveries++
			if manners(i) == refusing && refused(event) {
				refusals++
				if !l.refused[pair] {
					missing++
					t.Logf("%s never got %s, which it refuses", pair[0], pair[1])
				}
				continue
			}
			if len(l.delivered[pair]) == 0 {
				missing++
				if missing < 10 {
					t.Logf("%s never got %s", pair[0], pair[1])
				}
			}
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d deliveries are lost", missing, deliveries)
	}
	return deliveries, refusals
}

// checkRequests fails the test unless every request was signed right, and the webhook-id belongs to the event
// and the endpoint alone.
func (l *ledger) checkRequests(t *testing.T) {
	t.Helper()
	ids := map[[2]string]string{}
	owners := map[string][2]string{}
	for _, q := range l.requests {
		pair := [2]string{q.Endpoint, q.Event}
		if q.Verified != nil {
			t.Fatalf("a request to %s with %s: %v", q.Endpoint, q.Event, q.Verified)
		}
		if id, known := ids[pair]; known && id != q.ID {
			t.Fatalf("%s got %s with the ids %s and %s", q.Endpoint, q.Event, id, q.ID)
		}
		if owner, known := owners[q.ID]; known && owner != pair {
			t.Fatalf("the id %s is that of %v and of %v", q.ID, owner, pair)
		}
		ids[pair], owners[q.ID] = q.ID, pair
	}
}

// duplicates are the requests answered with 2xx that were followed by another one for the same delivery.
func (l *ledger) duplicates() []recorder.Request {
	var all []recorder.Request
	for _, d := range l.delivered {
		all = append(all, d[:len(d)-1]...)
	}
	return all
}

// exposure counts the deliveries that may come twice because of a crash: those in flight then, and those
// answered since the last flush began. windows are the times from there to the crashes that had some of the
// latter.
func (l *ledger) exposure(outages []outage, flushes []time.Time) (inFlight, unflushed int, windows []time.Duration) {
	var started time.Time
	for _, o := range outages {
		since := flushBegan(flushes, o.killed)
		if since.Before(started) {
			since = started
		}
		started = o.restarted
		before := unflushed
		for _, q := range l.requests {
			if q.Status != http.StatusOK || !q.Began.Before(o.restarted) {
				continue
			}
			switch {
			case !q.Ended.Before(o.killed):
				inFlight++
			case !q.Ended.Before(since.Add(-unread)):
				unflushed++
			}
		}
		if unflushed > before {
			windows = append(windows, o.killed.Sub(since))
		}
	}
	return inFlight, unflushed, windows
}

// flushBegan is the time before which the last flush that was stored before a crash cannot have begun, which
// is when the one before it was stored.
func flushBegan(flushes []time.Time, killed time.Time) time.Time {
	at, _ := slices.BinarySearchFunc(flushes, killed, time.Time.Compare)
	if at < 2 {
		return time.Time{}
	}
	return flushes[at-2]
}

// checkDuplicates fails the test when there are more of them than the crashes explain, or one that was answered
// long before a crash. flushes are when those of the attempt log were stored, in order.
func (l *ledger) checkDuplicates(t *testing.T, outages []outage, flushes []time.Time) {
	t.Helper()
	found := l.duplicates()
	inFlight, unflushed, windows := l.exposure(outages, flushes)
	var ages []time.Duration
	for _, q := range found {
		age, ok := ageAtCrash(q, outages)
		if !ok {
			t.Errorf("%s got %s twice, answered at %s, long before any crash", q.Endpoint, q.Event, q.Ended)
		}
		if age > 0 {
			ages = append(ages, age)
		}
	}
	t.Logf("%d duplicates: %d in flight at the crashes, %d answered before, by %s at most, median %s",
		len(found), len(found)-len(ages), len(ages), longest(ages), median(ages))
	t.Logf("explained by the crashes: %d, in flight %d, answered since the last flush began %d; that was before: median %s, longest %s",
		inFlight+unflushed, inFlight, unflushed, median(windows), longest(windows))
	if len(found) > inFlight+unflushed {
		t.Errorf("%d duplicates, more than the %d that the crashes explain", len(found), inFlight+unflushed)
	}
}

// ageAtCrash is how long before a crash a request was answered; 0 when it was in flight. It reports false when
// the answer is too old for any crash to explain another request.
func ageAtCrash(q recorder.Request, outages []outage) (time.Duration, bool) {
	for _, o := range outages {
		if !q.Began.Before(o.restarted) {
			continue
		}
		if !q.Ended.Before(o.killed) {
			return 0, true
		}
		if age := o.killed.Sub(q.Ended); age < longSettled {
			return age, true
		}
	}
	return 0, false
}

// firstDeliveries are how long after each start the first delivery came that was not made before, and how long those
// runs lasted that were ended before it came.
func (l *ledger) firstDeliveries(outages []outage) (waits, tooShort []time.Duration) {
	seen := map[string]bool{}
	at := 0
	for i, o := range outages {
		for ; at < len(l.requests) && l.requests[at].Began.Before(o.restarted); at++ {
			seen[l.requests[at].ID] = true
		}
		for j := at; j < len(l.requests); j++ {
			q := l.requests[j]
			if i+1 < len(outages) && !q.Began.Before(outages[i+1].killed) {
				tooShort = append(tooShort, outages[i+1].killed.Sub(o.restarted))
				break
			}
			if !seen[q.ID] {
				waits = append(waits, q.Began.Sub(o.restarted))
				break
			}
		}
	}
	return waits, tooShort
}

// median is the middle of some durations.
func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// longest is the last of some durations.
func longest(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return slices.Max(all)
}
