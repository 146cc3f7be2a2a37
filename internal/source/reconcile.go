// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// wanted is a watch that there should be.
type wanted struct {
	served *served
	takers []*taker
	// unanswered says that of a taker it is not yet known whether it is to be held.
	unanswered bool
}

// reconcile brings the watches in line with the sources, the rights and what is served.
func (r *Runner) reconcile(ctx context.Context) {
	sources, invalid, ok := r.snapshot()
	if !ok {
		return
	}
	r.namespaces.need(ctx, &r.running, slices.ContainsFunc(sources, selectsNamespaces))
	r.roles.watch(ctx, &r.running, len(sources) > 0)
	for key, w := range r.watches {
		if w.state().phase == notServed {
			r.kinds.forget(key.resource)
		}
	}
	r.askAhead(ctx, sources)
	plans := map[watchKey]*wanted{}
	outlooks := map[delivery.Name]*outlook{}
	keep := map[string]bool{}
	asked := map[question]bool{}
	states, now := r.states(), time.Now()
	for _, s := range sources {
		look, last := &outlook{source: s.EventSource, staleAfter: r.opts.StaleAfter}, r.outlook[s.Name]
		for i := range s.Resources {
			r.want(ctx, s, &s.Resources[i], look, last, states, plans, keep, asked)
		}
		if !s.gone {
			r.overlap(last, look, states, plans, now)
			outlooks[s.Name] = look
		}
	}
	for i := range invalid {
		outlooks[invalid[i].Name] = &outlook{invalid: &invalid[i]}
	}
	r.earlier = nil
	if ctx.Err() != nil {
		return // what was not answered for that reason means nothing
	}
	r.rights.keep(asked)
	r.programs.sweep()
	r.apply(ctx, plans)
	r.sweep(ctx, keep)
	r.show(outlooks)
	r.tell()
}

// listedSource is a source, or one that was deleted a short while ago.
type listedSource struct {
	*compile.EventSource
	gone bool
	// changed says that somebody reads which paths have changed.
	changed bool
}

// selectsNamespaces reports whether a source chooses namespaces by their labels.
func selectsNamespaces(s listedSource) bool {
	return s.Namespaces.From == hookv1.FromNamespacesSelector
}

// snapshot returns the sources, in the order of their names; false before they are known.
func (r *Runner) snapshot() (sources []listedSource, invalid []Invalid, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.update.Invalid {
		if d, ok := r.deleted[i.Name]; ok {
			r.deleted[i.Name] = deleted{d.listedSource, time.Now()}
		}
	}
	for name, d := range r.deleted {
		if time.Since(d.at) > r.opts.Hold {
			delete(r.deleted, name)
		}
	}
	for _, s := range r.update.Sources {
		sources = append(sources, listedSource{s, false, r.update.Changed[s.Name]})
	}
	for _, d := range r.deleted {
		sources = append(sources, d.listedSource)
	}
	slices.SortFunc(sources, func(a, b listedSource) int {
		return a.Name.Compare(b.Name)
	})
	return sources, r.update.Invalid, r.known
}

// askAhead asks several questions about rights at a time, so that reconcile finds the answers.
func (r *Runner) askAhead(ctx context.Context, sources []listedSource) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(reviewsAtATime)
	for _, s := range sources {
		for i := range s.Resources {
			served, err := r.kinds.find(ctx, resourceOf(&s.Resources[i]))
			if err != nil || served == nil || s.gone {
				continue
			}
			for _, namespace := range r.placesOf(s.EventSource, served) {
				q := r.question(s.EventSource, served, namespace)
				g.Go(func() error { r.rights.ask(ctx, q); return nil })
			}
		}
	}
	_ = g.Wait() // none of them fails
}

func resourceOf(r *compile.Resource) change.Resource {
	return change.Resource{Group: r.Group, Version: r.Version, Kind: r.Kind}
}

// placesOf are the namespaces that a source's watches of a kind have: all at once, unless the dispatcher is
// restricted to some.
func (r *Runner) placesOf(s *compile.EventSource, k *served) []string {
	switch {
	case len(r.opts.Namespaces) == 0 || !k.namespaced:
		return []string{""}
	case s.Namespaces.From == hookv1.FromNamespacesSame:
		return []string{s.Name.Namespace}
	default:
		return r.opts.Namespaces
	}
}

// question is what has to be known before a source sees a kind in a place. Objects of its own namespace take rights
// there, all others rights in the place of the watch.
func (r *Runner) question(s *compile.EventSource, k *served, place string) question {
	namespace := place
	if place == "" && k.namespaced && s.Namespaces.From == hookv1.FromNamespacesSame {
		namespace = s.Name.Namespace
	}
	return question{
		account:  delivery.Name{Namespace: s.Name.Namespace, Name: s.ServiceAccount},
		resource: k.resource, namespace: namespace, place: place,
	}
}

// want adds what a source wants of one of its resources to the plans, and what stands in its way to its outlook.
func (r *Runner) want(
	ctx context.Context, s listedSource, resource *compile.Resource, look, last *outlook, states map[watchKey]progress,
	plans map[watchKey]*wanted, keep map[string]bool, asked map[question]bool,
) {
	kind := resourceOf(resource)
	row := outlookRow{resource: kind}
	defer func() { look.rows = append(look.rows, row) }()
	for _, place := range append([]string{""}, r.opts.Namespaces...) {
		key := watchKey{kind, resource.Fields, place}
		keep[key.id()] = true
		row.looked = row.looked || r.lookedAt(s.Name.String(), key, last, states)
	}
	served, err := r.kinds.find(ctx, kind)
	if err != nil || served == nil {
		row.unserved, row.elsewhere, row.err = err == nil, r.kinds.elsewhere(kind), err
		return
	}
	program, err := r.programs.of(s.EventSource, kind, served.schema)
	row.err = err
	for _, place := range r.placesOf(s.EventSource, served) {
		q := r.question(s.EventSource, served, place)
		asked[q] = true
		verdict := r.rights.ask(ctx, q)
		row.verdicts = append(row.verdicts, verdict)
		key := watchKey{kind, resource.Fields, place}
		row.keys = append(row.keys, key)
		if plans[key] == nil {
			plans[key] = &wanted{served: served}
		}
		held := s.gone || s.Suspended || err != nil
		known := verdict.known && (!selectsNamespaces(s) || r.namespaces.ready())
		plans[key].unanswered = plans[key].unanswered || !held && !known
		held = held || !known || !verdict.granted
		t := newTaker(s, *resource, program, held, r.namespaces.labels)
		t.looked = row.looked
		plans[key].takers = append(plans[key].takers, t)
	}
}

// apply starts, changes and stops watches.
func (r *Runner) apply(ctx context.Context, plans map[watchKey]*wanted) {
	for key, w := range r.watches {
		if plans[key] == nil {
			w.stop()
			<-w.done
			r.setWatch(key, nil)
			r.stale[w.id] = true
		}
	}
	for key, want := range plans {
		p := newPlan(want.served.resource, want.takers)
		if w := r.watches[key]; w != nil {
			if !w.planned(p) {
				w.setPlan(p)
			}
			continue
		}
		if want.unanswered {
			continue // what it took in meanwhile, a taker that turns out to have the right would be told as a net effect only
		}
		w := r.newWatch(key)
		w.setPlan(p)
		running := &running{watch: w, done: make(chan struct{})}
		var watching context.Context
		watching, running.stop = context.WithCancel(ctx)
		r.setWatch(key, running)
		delete(r.stale, w.id)
		r.running.Go(func() {
			defer close(running.done)
			w.run(watching)
		})
	}
}

// setWatch adds a watch, or removes it.
func (r *Runner) setWatch(key watchKey, w *running) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w == nil {
		delete(r.watches, key)
		return
	}
	r.watches[key] = w
}

func (r *Runner) newWatch(key watchKey) *watch {
	id := key.id()
	earlier := r.sent
	if r.apart[id] {
		earlier = nil
	}
	r.apart[id] = true
	return &watch{
		key: key, id: id, log: r.opts.Log, client: r.client, accept: r.opts.Accept, lists: r.lists, report: r.tell,
		logger: r.logger.With("resource", kindLabel(key.resource), "watch", id),
		sent:   earlier, meter: r.meter, names: names{}, refused: map[string]bool{}, staleAfter: r.opts.StaleAfter,
		changed:  make(chan struct{}, 1),
		progress: progress{since: time.Now()},
	}
}

// sweep removes what is remembered of watches that nobody has wanted for a while.
func (r *Runner) sweep(ctx context.Context, keep map[string]bool) {
	if time.Since(r.began) < r.opts.Hold {
		return
	}
	for id := range r.stale {
		if keep[id] {
			continue
		}
		if err := r.opts.Log.RemoveWatch(ctx, id); err != nil {
			r.logger.Warn("Could not remove what is remembered of a watch", "watch", id, "error", err)
			continue
		}
		delete(r.stale, id)
	}
}
