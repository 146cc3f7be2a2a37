// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/config"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
	"github.com/posthorn-dev/posthorn/internal/ingest"
	"github.com/posthorn-dev/posthorn/internal/logapi"
	"github.com/posthorn-dev/posthorn/internal/routing"
	"github.com/posthorn-dev/posthorn/internal/source"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// process is a dispatcher with all that is around it.
type process struct {
	o        RunOptions
	platform *config.Config
	cluster  *rest.Config
	registry *prometheus.Registry
	doors    doors
	health   health
	front    front

	ingestServer, healthServer, metricsServer *listener

	// What open makes.
	log     *eventlog.Log
	sender  *httpsend.Client
	network *network
	router  *routing.Router
	writer  *status.Writer
	types   *eventTypes
	lease   *status.Lease
	core    *Dispatcher
	ingest  *ingest.Handler
	api     *logapi.Handler
	sources *source.Runner

	typesAPI *logapi.TypesHandler

	// recovered is closed when ingest knows the recent events.
	recovered chan struct{}
	// The groups are in the order in which a stop ends them.
	serving, routing, reporting, probes sync.WaitGroup
	endReporting                        context.CancelFunc
	fail                                context.CancelCauseFunc
}

// newProcess reads the configuration, the dispatcher's own token included, and opens the sockets.
func newProcess(ctx context.Context, o RunOptions) (*process, error) {
	p := &process{o: o, registry: newRegistry(), recovered: make(chan struct{})}
	var err error
	if p.platform, err = config.Load(o.Config); err != nil {
		return nil, err
	}
	if p.cluster, err = o.connection(); err != nil {
		return nil, err
	}
	if p.doors, err = newDoors(&p.o, p.cluster, p.registry); err != nil {
		return nil, err
	}
	if err := p.listen(ctx); err != nil {
		p.closeSockets()
		return nil, err
	}
	return p, nil
}

// listen opens the sockets of all servers.
func (p *process) listen(ctx context.Context) error {
	ofIngest, err := certificateOf(&p.o)
	if err != nil {
		return err
	}
	ofMetrics, err := metricsTLS(&p.o, ofIngest)
	if err != nil {
		return err
	}
	if p.ingestServer, err = listen(ctx, "ingest", p.o.IngestAddress, ofIngest, p.o.Logger); err != nil {
		return err
	}
	if p.healthServer, err = listen(ctx, "health", p.o.HealthAddress, nil, p.o.Logger); err != nil {
		return err
	}
	p.metricsServer, err = listen(ctx, "metrics", p.o.MetricsAddress, ofMetrics, p.o.Logger)
	return err
}

// closeSockets closes what a stop has not closed.
func (p *process) closeSockets() {
	for _, l := range []*listener{p.ingestServer, p.metricsServer, p.healthServer} {
		within(0, l.stop)
	}
	p.serving.Wait()
	p.probes.Wait()
}

// open opens the event log and puts everything together on it.
func (p *process) open(ctx context.Context) (err error) {
	if p.log, err = eventlog.Open(ctx, logOptions(&p.o, p.platform)); err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	p.sender = newSender(p.platform.Egress)
	if err := p.connect(ctx); err != nil {
		return err
	}
	options := coreOptions(&p.o, p.platform, p.log)
	options.Sender, options.Reporter, options.Registerer = p.sender, p.writer, p.registry
	options.ReadWaiting = p.recovered
	if p.core, err = New(options); err != nil {
		return fmt.Errorf("create dispatcher: %w", err)
	}
	if err := p.openAPI(); err != nil {
		return err
	}
	return p.openBackups(ctx)
}

// connect makes what reads from the API server and writes to it. None of it speaks to it yet.
func (p *process) connect(ctx context.Context) (err error) {
	if p.network, err = newNetwork(p.cluster, p.platform.Egress, p.sender.SetPolicy, p.o.Logger); err != nil {
		return err
	}
	if p.router, err = routing.New(routing.Options{
		Config:     p.cluster,
		Namespace:  p.o.Namespace,
		Namespaces: p.o.WatchNamespaces,
		Defaults:   p.platform.Defaults,
		Conditions: status.Conditions(),
		Log:        p.o.Logger,
		OnUpdate:   func(u routing.Update) { p.load(ctx, u) },
	}); err != nil {
		return fmt.Errorf("create routing: %w", err)
	}
	if p.writer, err = status.New(status.Options{Config: p.cluster, Reader: p.router.Reader(), Log: p.o.Logger}); err != nil {
		return fmt.Errorf("create status writer: %w", err)
	}
	p.types = newEventTypes(p.writer)
	identity, err := os.Hostname() // a pod's name is its host's
	if err != nil {
		return fmt.Errorf("read host name: %w", err)
	}
	p.lease, err = status.NewLease(status.LeaseOptions{
		Config: p.cluster, Namespace: p.o.Namespace, Identity: identity, Log: p.o.Logger,
	})
	if err != nil {
		return fmt.Errorf("create lease: %w", err)
	}
	return nil
}

// openAPI makes what is served over HTTP, and what makes events of the cluster's resources: both go through ingest.
func (p *process) openAPI() (err error) {
	if p.ingest, err = newIngest(&p.o, p.platform.Ingest, p.log, p.core, p.types, p.doors, p.registry); err != nil {
		return err
	}
	if p.api, err = newLogAPI(&p.o, p.log, p.core, p.doors); err != nil {
		return err
	}
	if p.typesAPI, err = newTypesAPI(p.types, p.doors); err != nil {
		return err
	}
	p.sources, err = source.New(source.Options{
		Config:     p.cluster,
		Log:        p.log,
		Accept:     p.ingest.Accept,
		Reporter:   p.writer,
		Namespaces: p.o.WatchNamespaces,
		Logger:     p.o.Logger,
		Registerer: p.registry,
	})
	if err != nil {
		return fmt.Errorf("create sources: %w", err)
	}
	return nil
}

// readsChanged reports whether a filter reads which paths have changed, of events that a source may send. There are such
// paths only where there is an old and a new state.
func readsChanged(t *routing.Table, s *compile.EventSource) bool {
	if !s.Takes(change.Updated) {
		return false
	}
	for _, r := range s.Resources {
		for _, edge := range []change.Edge{change.NoEdge, change.Recovered} {
			eventType := change.Type(r.Group, r.Kind, change.Updated, edge)
			if t.Reads(s.Name.Namespace, change.Source(s.Name.Namespace, s.Name.Name), eventType, change.ExtensionChanged) {
				return true
			}
		}
	}
	return false
}

// close closes what open opened.
func (p *process) close() {
	if p.sender != nil {
		p.sender.Close()
	}
	p.log.Close()
}

// load gives ingest the types, and the dispatcher a routing table, the first one once it is known where nothing may be
// sent. It tries until it is taken, since the next table does not hold what this one says is new. Sources come after
// it, so that a subscription that is created together with a source gets all that the source sends.
func (p *process) load(ctx context.Context, u routing.Update) {
	p.types.load(u)
	if !p.network.await(ctx) {
		return
	}
	taken := u.SameTable || p.retry(ctx, "Failed to load the routing table", func() error { return p.core.Load(ctx, u) })
	if taken {
		p.sources.Load(sourcesOf(u))
	}
}

// kindEventSource is the kind of event sources, as updates of the routing name it.
const kindEventSource = "WebhookEventSource"

// sourcesOf returns what the sources are to know of an update.
func sourcesOf(u routing.Update) source.Update {
	out := source.Update{Sources: u.Sources, Changed: map[delivery.Name]bool{}}
	for _, s := range u.Sources {
		if readsChanged(u.Table, s) {
			out.Changed[s.Name] = true
		}
	}
	for _, i := range u.Invalid {
		if i.Kind == kindEventSource {
			out.Invalid = append(out.Invalid, source.Invalid{Name: i.Name, UID: i.UID, Generation: i.Generation, Message: i.Message})
		}
	}
	return out
}

// recoverIngest lets ingest read the recent events, and so begin.
func (p *process) recoverIngest(ctx context.Context) error {
	begin := time.Now()
	if p.retry(ctx, "Failed to read the recent events", func() error { return p.ingest.Recover(ctx) }) {
		close(p.recovered)
		p.o.Logger.Info("Read recent events", "duration", time.Since(begin))
	}
	return nil
}

// watchSources makes events of the cluster's resources, once ingest takes them.
func (p *process) watchSources(ctx context.Context) error {
	if err := p.recoverIngest(ctx); err != nil {
		return err
	}
	return p.sources.Run(ctx)
}

// retry calls f until it works, at growing intervals, or until ctx ends. It reports whether f worked.
func (p *process) retry(ctx context.Context, failure string, f func() error) bool {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, f() },
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			p.o.Logger.Warn(failure, "error", err, "nextAttemptIn", wait) //nolint:sloglint // one of two constants
		}))
	return err == nil
}

// errRecovering is the reason of a process whose ingest does not know the recent events yet.
var errRecovering = errors.New("recent events are being read")

// ready says whether events are taken and routed.
func (p *process) ready() error {
	select {
	case <-p.recovered:
		return p.core.Ready()
	default:
		return errRecovering
	}
}
