// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

const (
	// DispatcherLease is the name of the Lease, in Posthorn's namespace, that the dispatcher renews
	// every 10 seconds.
	DispatcherLease = "posthorn-dispatcher"
	// dispatcherGrace is how long the Lease may stand still before Ready becomes Unknown. A restart
	// of the dispatcher takes less.
	dispatcherGrace = 5 * time.Minute
	// dispatcherPoll is how often the Lease is read: as often as it is renewed.
	dispatcherPoll = 10 * time.Second
)

// presence is what the operator knows of the dispatcher.
type presence int

const (
	// undecided is the state of an operator that has just started: it has seen the Lease neither
	// change nor stand still for long enough.
	undecided presence = iota
	present
	away
)

// DispatcherWatch tells whether the dispatcher is there, by its Lease.
//
// It counts by the operator's own clock since it last saw the Lease change, and only while the API
// server answers: the clocks of two machines need not agree, and a dispatcher that could not renew
// its Lease during an outage is not gone. Reading one object every 10 seconds needs no watch and no
// right but to get it.
type DispatcherWatch struct {
	live client.Reader
	key  types.NamespacedName
	// poll is how often the Lease is read.
	poll      time.Duration
	listeners []chan event.GenericEvent

	mu        sync.Mutex
	state     presence
	seen      bool
	version   string
	unchanged time.Time
}

// NewDispatcherWatch returns a watch on the Lease in Posthorn's namespace. It must be added to the
// manager, which runs it on the leader.
func NewDispatcherWatch(live client.Reader, namespace string) *DispatcherWatch {
	key := types.NamespacedName{Namespace: namespace, Name: DispatcherLease}
	return &DispatcherWatch{live: live, key: key, poll: dispatcherPoll}
}

// Listen returns a channel that gets an event whenever the presence changes. It must be called before
// Start.
func (w *DispatcherWatch) Listen() <-chan event.GenericEvent {
	// One pending event stands for all: its handler looks at every object.
	c := make(chan event.GenericEvent, 1)
	w.listeners = append(w.listeners, c)
	return c
}

// Start reads the Lease until ctx ends.
func (w *DispatcherWatch) Start(ctx context.Context) error {
	tick := time.NewTicker(w.poll)
	defer tick.Stop()
	for {
		w.look(ctx, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look reads the Lease once.
func (w *DispatcherWatch) look(ctx context.Context, now time.Time) {
	var lease coordinationv1.Lease
	err := w.live.Get(ctx, w.key, &lease)
	if client.IgnoreNotFound(err) != nil {
		w.restart(now)
		log.FromContext(ctx).V(1).Info("Lease of the dispatcher was not readable", "error", err.Error())
		return
	}
	version := ""
	if !apierrors.IsNotFound(err) {
		version = string(lease.UID) + "/" + lease.ResourceVersion
	}
	if w.record(version, now) {
		log.FromContext(ctx).Info("Changed presence of the dispatcher", "away", w.presence() == away)
		w.notify()
	}
}

// restart begins to count anew, since nothing can be said about the time without an answer.
func (w *DispatcherWatch) restart(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unchanged = now
}

// record takes in one reading and reports whether the presence changed. A first sight of the Lease
// proves nothing: it may have been left by a dispatcher long gone.
func (w *DispatcherWatch) record(version string, now time.Time) (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.state
	switch {
	case !w.seen:
		w.seen, w.version, w.unchanged = true, version, now
	case version != w.version:
		w.version, w.unchanged = version, now
		if version != "" {
			w.state = present
		}
	case now.Sub(w.unchanged) >= dispatcherGrace:
		w.state = away
	}
	dispatcherAway.Set(0)
	if w.state == away {
		dispatcherAway.Set(1)
	}
	return w.state != before
}

func (w *DispatcherWatch) presence() presence {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

func (w *DispatcherWatch) notify() {
	for _, c := range w.listeners {
		select {
		case c <- event.GenericEvent{Object: &coordinationv1.Lease{}}:
		default:
		}
	}
}

// unavailableTo reports whether the object's Ready must not rely on the dispatcher. An operator that
// has just started and knows nothing yet leaves objects as its predecessor marked them.
func (w *DispatcherWatch) unavailableTo(obj conditioned) bool {
	switch w.presence() {
	case away:
		return true
	case undecided:
		ready := meta.FindStatusCondition(obj.GetConditions(), hookv1.ConditionReady)
		return ready != nil && ready.Reason == hookv1.ReasonDispatcherUnavailable
	default:
		return false
	}
}
