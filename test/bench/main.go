// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures Posthorn as it runs: the real dispatcher as a process, on a real kube-apiserver,
// with the receivers in another process. It holds what it measures against bare clients that post to the same
// receiver, in turns, and prints one table. docs/performance.md says what each figure means.
//
// It asserts nothing about time. It fails when something was lost, came twice, or broke.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/posthorn-dev/posthorn/internal/telemetry"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run plays one of the parts: without arguments the bench itself, otherwise one of its other processes.
func run(args []string) error {
	if len(args) == 0 {
		return measureAll()
	}
	switch args[0] {
	case "receiver":
		return load.RunReceiver()
	case "client":
		return load.RunClient(args[1:])
	case "producer":
		return load.RunProducer(args[1:])
	}
	return fmt.Errorf("there is no part %q; set BENCH=name to run one bench: %s", args[0], strings.Join(names(), ", "))
}

// measureAll runs what BENCH names, or everything, and writes what BENCH_JSON asks for.
func measureAll() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	telemetry.Install(telemetry.NewLogger(os.Stderr, telemetry.LogOptions{Format: telemetry.FormatText, Level: 4}))
	chosen, err := choose(os.Getenv("BENCH"))
	if err != nil {
		return err
	}
	s, err := newSession()
	if err != nil {
		return err
	}
	var all []figure
	for _, b := range chosen {
		s.say("%s: %s", b.name, b.about)
		figures, benchErr := b.run(ctx, s)
		all = append(all, figures...)
		if benchErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", b.name, benchErr))
		}
		if ctx.Err() != nil {
			break
		}
	}
	err = errors.Join(err, s.stop())
	printTable(os.Stdout, all)
	if path := os.Getenv("BENCH_JSON"); path != "" {
		err = errors.Join(err, writeJSON(path, all))
	}
	return err
}

// bench is one thing to measure.
type bench struct {
	name, about string
	run         func(context.Context, *session) ([]figure, error)
}

// benches are all that there are, in the order in which they run.
var benches = []bench{
	{"loop", "bare clients posting signed events to the receiver", benchLoop},
	{"drain", "deliveries of events that were accepted before, and what each costs", benchDrain},
	{"flow", "deliveries while events come in over HTTP", benchFlow},
	{"latency", "from posted to received", benchLatency},
	{"ingest", "ingest alone", benchIngest},
	{"memory", "resident memory, after a forced collection", benchMemory},
	{"parked", "resident memory with parked deliveries", benchParked},
	{"routing", "what an event costs with many subscriptions that do not want it", benchRouting},
	{"neighbour", "a healthy endpoint beside one that hangs", benchNeighbour},
	{"neighbour_share", "a tenant beside one that is refused for its share", benchNeighbourShare},
	{"start", "from the start of the process to the first delivery", benchStart},
	{"source_memory", "resident memory with watched objects", benchSourceMemory},
	{"source_start", "requests to the API server until many sources watch", benchSourceStart},
	{"source_flow", "events of changes of resources", benchSourceFlow},
	{"source_latency", "from a change of a resource to received", benchSourceLatency},
}

// names are those of all benches.
func names() []string {
	all := make([]string, len(benches))
	for i, b := range benches {
		all[i] = b.name
	}
	return all
}

// choose finds the benches of a list of names; an empty list means all.
func choose(list string) ([]bench, error) {
	if list == "" {
		return benches, nil
	}
	var chosen []bench
next:
	for name := range strings.SplitSeq(list, ",") {
		for _, b := range benches {
			if b.name == name {
				chosen = append(chosen, b)
				continue next
			}
		}
		return nil, fmt.Errorf("there is no bench %q, choose from %s", name, strings.Join(names(), ", "))
	}
	return chosen, nil
}
