// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Command app holds the sample applications that getting started and the end-to-end test run in a cluster:
//
//	app receiver    takes webhooks, verifies their signatures, and tells what it got
//	app producer    posts events with the token of its ServiceAccount, and tells which were accepted
//
// Neither shares code with Posthorn, so that what they see is what any application would: the receiver verifies
// with the library of Standard Webhooks, the producer knows no more than the HTTP API.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopTimeout is how long a stop waits for the requests under way; less than what a pod is given.
const stopTimeout = 10 * time.Second

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, arguments []string) error {
	programs := map[string]func(context.Context, []string) error{"receiver": runReceiver, "producer": runProducer}
	if len(arguments) > 0 {
		if program, ok := programs[arguments[0]]; ok {
			return program(ctx, arguments[1:])
		}
	}
	return errors.New("usage: app receiver|producer [flags]; -help after either lists its flags")
}

// serve answers requests until ctx ends, and then those that are under way.
func serve(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- server.Shutdown(limited)
	})
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-stopped
}
