// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Command receiver is the sample receiver of the demo: it takes webhooks on loopback, verifies their
// signatures with the library of Standard Webhooks, and fails when it is told to.
//
// It shares no code with Posthorn, so that a delivery it calls verified is one that any receiver would.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	address := flag.String("address", "127.0.0.1:9400", "address to listen on")
	secretFile := flag.String("secret-file", "", "file with the signing secrets, one a line, read again for each request")
	flag.Parse()

	server := &http.Server{
		Addr:              *address,
		Handler:           newReceiver(*secretFile, os.Stdout).handler(),
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
