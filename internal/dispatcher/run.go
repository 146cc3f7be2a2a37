// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

// How long the steps of a stop may take, that of the requests in flight apart.
const (
	// stopIngest is as long as the log may take to store a request.
	stopIngest = 10 * time.Second
	// stopStatus is what statuses take that are not written yet; the rest is written after the next start.
	stopStatus = 3 * time.Second
	// stopProbes is for scrapes and probes under way.
	stopProbes = time.Second
)

// Run runs the data plane until ctx ends: it takes events, delivers them, and tells about it. It
// returns nil after a graceful stop, in which every request in flight came to its end and was
// recorded, and an error when it could not start or a part of it failed.
func Run(ctx context.Context, o RunOptions) error {
	if err := o.complete(); err != nil {
		return err
	}
	p, err := newProcess(ctx, o)
	if err != nil {
		return err
	}
	defer p.closeSockets()
	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	p.fail = fail
	p.start(&p.probes, func() error { return p.healthServer.serve(p.health.handler()) })
	p.start(&p.serving, func() error { return p.ingestServer.serve(&p.front) })
	if err := p.open(running); err != nil {
		if failed := context.Cause(running); failed != nil {
			err = failed // of a part that was served already
		}
		return unless(ctx, err)
	}
	defer p.close()
	defer telemetry.PaceCollections(func() uint64 { return p.core.Handled() + p.log.Scanned() })()
	if err := p.core.Start(running); err != nil {
		return unless(ctx, fmt.Errorf("start dispatcher: %w", err))
	}
	p.work(running)
	o.Logger.Info("Started dispatcher", "version", telemetry.Version(), "namespace", o.Namespace,
		"ingestAddress", p.ingestServer.address(), "healthAddress", p.healthServer.address(),
		"metricsAddress", p.metricsServer.address(), "storageBytes", p.log.MaxBytes())
	<-running.Done()
	p.stop()
	return unless(ctx, context.Cause(running))
}

// unless returns nil when the caller ended the run, and the error otherwise.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// start runs a part of the process. One that fails ends the process.
func (p *process) start(group *sync.WaitGroup, part func() error) {
	group.Go(func() {
		if err := part(); err != nil {
			p.fail(err)
		}
	})
}

// work starts the parts that work until ctx ends, or until stop ends them in their turn.
func (p *process) work(ctx context.Context) {
	reporting, end := context.WithCancel(context.WithoutCancel(ctx))
	p.endReporting = end
	p.health.watch(p.ready)
	p.start(&p.reporting, func() error { return p.writer.Run(reporting) })
	p.start(&p.reporting, func() error { return p.lease.Run(reporting) })
	p.start(&p.routing, func() error { return p.network.run(ctx) })
	p.start(&p.routing, func() error { return p.router.Run(ctx) })
	p.start(&p.routing, func() error { return p.core.Failure(ctx) })
	p.start(&p.routing, func() error { return p.types.watch(ctx) })
	p.start(&p.serving, func() error { return p.watchSources(ctx) })
	p.front.open(routes(p.ingest, p.api, p.typesAPI))
	p.start(&p.probes, func() error { return p.metricsServer.serve(metricsHandler(&p.o, p.registry, p.doors)) })
}

// errStopping is the reason of a process that stops.
var errStopping = errors.New("dispatcher is stopping")

// stop ends the parts one after the other: no event is taken that nobody delivers, and what the
// deliveries came to is recorded and shown.
func (p *process) stop() {
	begin := time.Now()
	p.o.Logger.Info("Stopping dispatcher")
	p.health.watch(func() error { return errStopping })
	within(stopIngest, p.ingestServer.stop)
	p.serving.Wait()
	p.routing.Wait()
	p.core.Stop()
	within(stopStatus, p.writer.Flush)
	p.endReporting()
	p.reporting.Wait()
	within(stopProbes, p.metricsServer.stop)
	within(stopProbes, p.healthServer.stop)
	p.probes.Wait()
	p.o.Logger.Info("Stopped dispatcher", "duration", time.Since(begin))
}

// within calls f with a context that ends after d.
func within(d time.Duration, f func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	f(ctx)
}
