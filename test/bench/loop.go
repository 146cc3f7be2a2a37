// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/posthorn-dev/posthorn/test/bench/load"
)

const (
	// loopEvents is how many events a bare client posts in one run: some 3 seconds.
	loopEvents = 100_000
	// warmPart is the part of a run that passes before the measuring begins: connections are made then, and what
	// a start costs is over.
	warmPart = 5
	// workers is how many requests a bare client has in flight; an endpoint has as many by default.
	workers = 16
	// patience is how long a run may take before it counts as stuck.
	patience = 5 * time.Minute
)

// Kinds of bare clients.
const (
	bareNetHTTP  = "net/http"
	bareSockets  = "sockets"
	bareFastHTTP = "fasthttp"
)

// loop runs a bare client once.
func (s *session) loop(ctx context.Context, kind string) (speed, error) {
	program, args := s.program, []string{"client", "--kind", kind}
	if kind == bareFastHTTP {
		program, args = s.fastHTTP(), nil
	}
	events := s.scaled(loopEvents)
	args = append(args, "--address", s.receiver.address, "--events", strconv.Itoa(events), "--workers", strconv.Itoa(workers))
	e := load.Expectation{Paths: 1, Events: events, Warm: events / warmPart}
	if err := s.receiver.expect(ctx, e); err != nil {
		return speed{}, err
	}
	c, _, err := spawn(program, args...)
	if err != nil {
		return speed{}, err
	}
	if err := s.receiver.watch(ctx, c.cmd.Process.Pid); err != nil {
		return speed{}, err
	}
	if err := c.begin(); err != nil {
		return speed{}, fmt.Errorf("begin: %w", err)
	}
	if _, err := c.end(); err != nil {
		return speed{}, fmt.Errorf("bare client %s: %w", kind, err)
	}
	got, err := s.receiver.receipt(ctx, e, time.Second)
	if err != nil {
		return speed{}, fmt.Errorf("bare client %s: %w", kind, err)
	}
	return speedOf(e, got), nil
}

// benchLoop measures the bare clients: net/http, which is the usual limit and the baseline of most figures, and
// leaner ones beside it.
func benchLoop(ctx context.Context, s *session) ([]figure, error) {
	var usual, cpu []float64
	kinds := []string{bareSockets, bareFastHTTP}
	rates, costs := map[string]*pairs{}, map[string]*pairs{}
	for _, kind := range kinds {
		rates[kind], costs[kind] = &pairs{}, &pairs{}
		for range s.pairs {
			base, err := s.loop(ctx, bareNetHTTP)
			if err != nil {
				return nil, err
			}
			lean, err := s.loop(ctx, kind)
			if err != nil {
				return nil, err
			}
			usual, cpu = append(usual, base.perSecond), append(cpu, base.cpu)
			rates[kind].add(base.perSecond, lean.perSecond)
			costs[kind].add(base.cpu, lean.cpu)
		}
	}
	return []figure{
		single("loop_net_http", "(a) bare net/http loop", "requests/s", "", usual...),
		single("loop_net_http_cpu", "(a) its CPU", "µs/request", "", cpu...),
		rates[bareSockets].figure("loop_sockets", "(a) the same over raw sockets", "requests/s", ""),
		costs[bareSockets].figure("loop_sockets_cpu", "(a) its CPU", "µs/request", ""),
		rates[bareFastHTTP].figure("loop_fasthttp", "(a) the same with fasthttp", "requests/s", ""),
		costs[bareFastHTTP].figure("loop_fasthttp_cpu", "(a) its CPU", "µs/request", ""),
	}, nil
}

// fastHTTP is the program with fasthttp's client, which the Makefile builds beside this one from a module of its
// own: Posthorn does not depend on fasthttp.
func (s *session) fastHTTP() string { return s.program + "-fasthttp" }
