// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/retry"
	"github.com/posthorn-dev/posthorn/internal/routing"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// Sender makes requests, and judges destinations without making one.
type Sender interface {
	delivery.Sender
	// Vet resolves the endpoint's host and judges its addresses.
	Vet(ctx context.Context, e *delivery.Endpoint) error
	// Forget closes what is kept open for the endpoint.
	Forget(name delivery.Name)
}

// Reporter takes what is to be shown in the status of the resources. Its methods return at once.
type Reporter interface {
	UpdateEndpoint(f status.EndpointFacts)
	UpdateSubscription(f status.SubscriptionFacts)
	ForgetEndpoint(name delivery.Name)
	ForgetSubscription(name delivery.Name)
}

// Options configure a Dispatcher. Log, Sender and Reporter are required.
type Options struct {
	Log      *eventlog.Log
	Sender   Sender
	Reporter Reporter
	Logger   *slog.Logger
	// Registerer takes the metrics; nil means none are registered.
	Registerer prometheus.Registerer
	// Hold is how long the deliveries of a deleted object wait for one of the same name; 0 means 10
	// minutes.
	Hold time.Duration
	// MaxUnsettled is how long a request in flight may keep its event unsettled, before the delivery is
	// stored; 0 means 5 s.
	MaxUnsettled time.Duration
	// StopTimeout is how long Stop waits for requests in flight; 0 means 65 s, more than the longest
	// timeout of an endpoint. What is still in flight then is sent again after the next start.
	StopTimeout time.Duration
	// Retry is how deliveries to dead-letter endpoints are tried again, which no spec is about; nil means
	// the built-in schedule and age.
	Retry *retry.Policy
	// Share returns how many bytes a namespace may hold; nil means a quarter of the storage.
	Share func(namespace string) int64
	// ReadWaiting is closed once the deliveries may be read that wait since earlier runs; nil means at once. There may be
	// hundreds of thousands, and what new events wait for is read before them.
	ReadWaiting <-chan struct{}
	// Keep bounds what is settled: events and the attempt log.
	KeepEvents, KeepAttempts Keep
}

// Keep bounds one stream of what is settled. The bound that is reached first counts.
type Keep struct {
	// Age is how long an entry is kept; 0 means 7 days.
	Age time.Duration
	// MaxBytes is how much is kept; 0 means that only the age and the storage bound it.
	MaxBytes int64
}

// shard is the shard that an embedded engine has.
const shard = 0

// Dispatcher delivers accepted events. New makes one, Start begins, Load gives it a routing table,
// and Stop ends it.
type Dispatcher struct {
	opts     Options
	logger   *slog.Logger
	log      *eventlog.Log
	attempts *deliverylog.Log
	metrics  *metrics
	// handled counts events that were routed and attempts that ended.
	handled atomic.Uint64

	// run is cancelled when requests in flight are to be interrupted.
	run       context.Context
	interrupt context.CancelFunc
	// storing is cancelled when the recording of outcomes is given up.
	storing context.Context
	abort   context.CancelFunc
	// quit is closed when Stop begins, and done when the loops are to end.
	quit chan struct{}
	done chan struct{}
	// recordedAll is closed when the flusher has ended.
	recordedAll chan struct{}
	loops       sync.WaitGroup
	sends       sync.WaitGroup
	stop        func()
	loaded      chan struct{}
	// loading serialises Load, whose I/O is outside the mutex.
	loading sync.Mutex

	mu       sync.Mutex
	room     *sync.Cond
	table    *routing.Table
	subs     map[delivery.Name]*subscription
	lanes    map[delivery.Name]*lane
	circuits map[circuitKey]*circuit
	window   window
	live     flushes
	replaced removals
	skip     map[pair]struct{}
	// restored is what earlier runs stored about circuits, endpoints and positions.
	restored restored
	// ops are the steps that the next flush records, and flushSignal wakes the flusher.
	ops         []*op
	flushSignal chan struct{}
	// stalled are the lanes whose stored deliveries wait until fewer steps do.
	stalled map[*lane]struct{}
	// changed holds the state to be stored.
	changed map[eventlog.StateKey][]byte
	// active holds the stored deliveries that are in memory, by sequence, dead-letter deliveries apart.
	active map[uint64]waiting
	usage  usage
	// full says that the storage has no more room for events. admitted is how many bytes of them were let in by
	// this run, lookAt how many of them have the storage looked at again, and admitTo how many may be until then.
	full                      bool
	admitted, lookAt, admitTo int64
	// lastDead is the newest dead letter that is stored, and flushed the newest flush.
	lastDead, flushed uint64
	// composed are the deliveries that the flush under way takes out of the window.
	composed []*task
	// storedFloor is the floor of the newest flush, and countersFlush the flush that all stored figures are as of.
	storedFloor   uint64
	countersFlush uint64
	// madeUp counts the records that recovery made up and no flush holds yet.
	madeUp int
	// sweepNow has the next turn of the sweep loop look at everything, and removals are the keys of
	// what it forgot.
	sweepNow bool
	removals []eventlog.StateKey
	// reportSignal has the report loop look at once, and trimSignal the trim loop.
	reportSignal, trimSignal chan struct{}
	stopping                 bool
	// failed is what Failure returns once failure is closed.
	failed  error
	failure chan struct{}
	// carried are the flushes of earlier runs that hold records of events above the floor, by event.
	carried map[uint64][]uint64
	// pendingRecovery is what the scan of the waiting deliveries up to scanTo needs, and scanFrom the
	// flush that is held until it has ended.
	pendingRecovery  *recovery
	scanTo, scanFrom uint64
	// scanned says that all waiting deliveries of earlier runs are known.
	scanned bool
}

// pair names a delivery: an event, by its sequence, and a subscription.
type pair struct {
	seq  uint64
	sub  delivery.Name
	kind delivery.Kind
}

// New returns a dispatcher that does nothing yet.
func New(o Options) (*Dispatcher, error) {
	if o.Log == nil || o.Sender == nil || o.Reporter == nil {
		return nil, errors.New("dispatcher needs a log, a sender and a reporter")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Hold == 0 {
		o.Hold = 10 * time.Minute
	}
	if o.MaxUnsettled == 0 {
		o.MaxUnsettled = maxUnsettledTime
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = 65 * time.Second
	}
	if o.Retry == nil {
		o.Retry = builtinRetry()
	}
	if o.ReadWaiting == nil {
		now := make(chan struct{})
		close(now)
		o.ReadWaiting = now
	}
	if o.Share == nil {
		o.Share = func(string) int64 { return o.Log.MaxBytes() / 4 }
	}
	for _, k := range []*Keep{&o.KeepEvents, &o.KeepAttempts} {
		if k.Age == 0 {
			k.Age = 7 * 24 * time.Hour
		}
	}
	d := &Dispatcher{
		opts: o, logger: o.Logger, log: o.Log, attempts: deliverylog.New(o.Log), metrics: newMetrics(),
		quit: make(chan struct{}), done: make(chan struct{}), recordedAll: make(chan struct{}), replaced: removals{signal: make(chan struct{}, 1)},
		loaded: make(chan struct{}), failure: make(chan struct{}), flushSignal: make(chan struct{}, 1), reportSignal: make(chan struct{}, 1),
		subs: map[delivery.Name]*subscription{}, lanes: map[delivery.Name]*lane{},
		circuits: map[circuitKey]*circuit{}, changed: map[eventlog.StateKey][]byte{}, active: map[uint64]waiting{},
		carried: map[uint64][]uint64{}, stalled: map[*lane]struct{}{}, usage: newUsage(o.Log.MaxBytes()), trimSignal: make(chan struct{}, 1),
	}
	d.room = sync.NewCond(&d.mu)
	d.storing, d.abort = context.WithCancel(context.Background())
	d.run, d.interrupt = context.WithCancel(context.Background())
	if o.Registerer != nil {
		if err := o.Registerer.Register(&collector{d}); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return d, nil
}

// Start reads where the last run stopped and begins to read events. They wait until Load has given a
// routing table.
func (d *Dispatcher) Start(ctx context.Context) error {
	flushed, err := d.recover(ctx)
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	if err := d.lookAtRoom(ctx); err != nil {
		return fmt.Errorf("look at the storage: %w", err)
	}
	for _, loop := range []func(){
		func() { d.flushLoop(flushed) }, d.removeLoop, d.scanLoop, d.sweepLoop, d.reportLoop, d.stateLoop, d.trimLoop, d.vetLoop,
	} {
		d.loops.Go(loop)
	}
	stop, err := d.log.ReadEvents(ctx, d.window.floor+1, d.route)
	if err != nil {
		d.close()
		return fmt.Errorf("read events: %w", err)
	}
	d.stop = stop
	return nil
}

// Stop ends the dispatcher. It starts no new request, waits for those in flight, records what came
// of them, and returns when all is stored. A delivery that no request was made for stays in the log.
func (d *Dispatcher) Stop() {
	d.mu.Lock()
	d.stopping = true
	close(d.quit)
	d.room.Broadcast()
	d.mu.Unlock()
	if d.stop != nil {
		d.stop()
	}
	interrupt := time.AfterFunc(d.opts.StopTimeout, d.interrupt)
	abort := time.AfterFunc(d.opts.StopTimeout+storeTimeout, d.abort)
	d.sends.Wait()
	d.close()
	interrupt.Stop()
	abort.Stop()
}

// storeTimeout is how much longer Stop waits for a log that does not take what came of the requests.
const storeTimeout = 5 * time.Second

// close ends the loops; the flusher records what is left first.
func (d *Dispatcher) close() {
	close(d.done)
	d.loops.Wait()
	d.interrupt()
	d.abort()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lanes {
		if l.wake != nil {
			l.wake.Stop()
		}
	}
}

// Handled returns how many events were routed and how many attempts ended, together.
func (d *Dispatcher) Handled() uint64 { return d.handled.Load() }

// Ready says whether events are routed; nil means yes.
func (d *Dispatcher) Ready() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.failed != nil:
		return d.failed
	case d.stopping:
		return errors.New("dispatcher is stopping")
	case d.table == nil:
		return errors.New("routing table is not loaded yet: the API server has not answered")
	}
	return nil
}

// Failure waits until the dispatcher has failed for good, and returns why; or nil when the context ends
// before. Only a new start mends such an error.
func (d *Dispatcher) Failure(ctx context.Context) error {
	select {
	case <-d.failure:
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.failed
	case <-ctx.Done():
		return nil
	}
}

// Accepting says whether events may be accepted, in words for producers; nil means yes. Until the first
// routing table is there, they are accepted and wait.
func (d *Dispatcher) Accepting() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.failed != nil:
		return errors.New("the event log does not take what came of deliveries")
	case d.stopping:
		return errors.New("the dispatcher is stopping")
	}
	if err := d.log.Health(); d.full || errors.Is(err, eventlog.ErrFull) {
		return errors.New("the event log is full; nothing was lost")
	} else if err != nil {
		return errors.New("the event log cannot be written at the moment; nothing was lost")
	}
	return nil
}

// fail notes an error that no retry mends: the dispatcher stops taking events, readiness says why, and
// Failure returns.
func (d *Dispatcher) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		d.failed = err
		close(d.failure)
		d.logger.Error("Stopped dispatching", "error", err)
	}
	d.stopping = true
	d.room.Broadcast()
}

// every calls f at the interval until the dispatcher closes.
func (d *Dispatcher) every(interval time.Duration, f func(now time.Time)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-d.done:
			return
		case now := <-ticker.C:
			f(now)
		}
	}
}
