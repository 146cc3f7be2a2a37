// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

const (
	// lookAgain is how often kinds that are not served, and rights, are looked at; both remember their answers.
	lookAgain = 5 * time.Second
	// listsAtATime bounds the lists that run at a time, so that a start does not load the API server.
	listsAtATime = 4
	// reviewsAtATime bounds the questions about rights.
	reviewsAtATime = 8
)

// Runner watches for all sources.
type Runner struct {
	opts       Options
	logger     *slog.Logger
	client     client
	rights     *rights
	kinds      *kinds
	programs   *programs
	namespaces *namespaces
	roles      *roles
	meter      *metrics
	lists      chan struct{}
	wake       chan struct{}
	tellWake   chan struct{}

	// What no mutex guards belongs to the goroutine of Run.
	sent    *sent
	running sync.WaitGroup
	// earlier are the watches with which sources had looked at all objects of a kind before this run, until the first
	// look at the sources.
	earlier map[lookedKey][]string
	// apart are the watches that read by themselves what was sent: those that this run had once, and those that were far
	// behind when it began.
	apart map[string]bool
	// stale are watches that an earlier run kept something of, until they are wanted or swept.
	stale map[string]bool
	began time.Time

	// telling is held while the status is told; it is taken before mu.
	telling sync.Mutex

	mu      sync.Mutex
	update  Update
	known   bool
	deleted map[delivery.Name]deleted
	// watches and outlook are written by the goroutine of Run only.
	watches map[watchKey]*running
	outlook map[delivery.Name]*outlook
}

// running is a watch that runs.
type running struct {
	*watch
	stop context.CancelFunc
	done chan struct{}
}

// deleted is a source that may come back.
type deleted struct {
	listedSource
	at time.Time
}

// New returns a Runner that does nothing before Run. It does not speak to the API server.
func New(o Options) (*Runner, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	httpClient, err := rest.HTTPClientFor(o.Config)
	if err != nil {
		return nil, fmt.Errorf("create client: %w", err)
	}
	dynamicClient, err := dynamic.NewForConfigAndClient(o.Config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("create client: %w", err)
	}
	metadataClient, err := metadata.NewForConfigAndClient(metadata.ConfigFor(o.Config), httpClient)
	if err != nil {
		return nil, fmt.Errorf("create client of metadata: %w", err)
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfigAndClient(o.Config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("create client of discovery: %w", err)
	}
	kubernetesClient, err := kubernetes.NewForConfigAndClient(o.Config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("create client: %w", err)
	}
	meter, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	r := &Runner{
		opts: o, logger: o.Logger, client: client{dynamicClient, metadataClient},
		rights:   &rights{client: kubernetesClient, answers: map[question]answer{}},
		kinds:    &kinds{discovery: discoveryClient, known: map[change.Resource]kindAnswer{}},
		programs: &programs{known: map[programKey]*compiled{}},
		meter:    meter, lists: make(chan struct{}, listsAtATime),
		wake: make(chan struct{}, 1), tellWake: make(chan struct{}, 1),
		apart: map[string]bool{}, watches: map[watchKey]*running{}, outlook: map[delivery.Name]*outlook{}, deleted: map[delivery.Name]deleted{},
	}
	r.namespaces = newNamespaces(metadataClient, o.Logger, r.nudge)
	r.roles = &roles{client: metadataClient, logger: o.Logger, changed: func() { r.rights.expire(); r.nudge() }}
	return r, nil
}

// Load gives the Runner all the sources that there are. It does not wait.
func (r *Runner) Load(u Update) {
	r.mu.Lock()
	defer r.mu.Unlock()
	present := map[delivery.Name]bool{}
	for _, s := range u.Sources {
		present[s.Name] = true
	}
	// One whose spec is not valid any more is held like one that was deleted, for as long as that is so.
	for _, s := range r.update.Sources {
		if !present[s.Name] {
			r.deleted[s.Name] = deleted{listedSource{s, true, r.update.Changed[s.Name]}, time.Now()}
		}
	}
	for name := range present {
		delete(r.deleted, name)
	}
	r.update, r.known = u, true
	r.nudge()
}

// nudge has the loop look at once.
func (r *Runner) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run watches until ctx ends, and then returns nil.
func (r *Runner) Run(ctx context.Context) error {
	if !r.recover(ctx) {
		return nil
	}
	r.began = time.Now()
	r.running.Go(func() { r.tellLoop(ctx) })
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-r.wake:
			r.reconcile(ctx)
		case <-tick.C:
			r.reconcile(ctx)
		}
	}
	r.running.Wait()
	return nil
}

// recover reads what earlier runs left.
func (r *Runner) recover(ctx context.Context) bool {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		stored, err := r.opts.Log.Checkpoints(ctx)
		if err != nil {
			return struct{}{}, err
		}
		r.stale = map[string]bool{}
		for id := range stored {
			r.stale[id] = true
		}
		r.earlier = readLooked(stored)
		r.apart = lagging(stored)
		maps.DeleteFunc(stored, func(id string, _ []byte) bool { return r.apart[id] })
		r.sent, err = readSent(ctx, r.opts.Log, stored)
		return struct{}{}, err
	}, backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
		r.logger.Warn("Could not read what is remembered of resources", "error", err, "nextAttemptIn", next)
	}))
	return err == nil
}

// show has these outlooks told from now on.
func (r *Runner) show(outlooks map[delivery.Name]*outlook) {
	r.telling.Lock() // or one that is forgotten here could be told of once more
	defer r.telling.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.outlook {
		if outlooks[name] == nil {
			r.opts.Reporter.ForgetSource(name)
		}
	}
	r.outlook = outlooks
}

// tell has the status told. It does not wait.
func (r *Runner) tell() {
	select {
	case r.tellWake <- struct{}{}:
	default:
	}
}

// tellLoop tells the status when something changed, and looks at the clock in between: a watch that shows no life
// does not say so.
func (r *Runner) tellLoop(ctx context.Context) {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.tellWake:
		case <-tick.C:
		}
		r.tellAll()
	}
}

// states returns what the watches tell, by key.
func (r *Runner) states() map[watchKey]progress {
	r.mu.Lock()
	watches := maps.Clone(r.watches)
	r.mu.Unlock()
	states := make(map[watchKey]progress, len(watches))
	for key, w := range watches {
		states[key] = w.state()
	}
	return states
}

// noLabels are those of a namespace that is not known.
var noLabels = labels.Set{}
