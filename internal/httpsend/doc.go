// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package httpsend makes the HTTP requests of deliveries with net/http: it implements
// delivery.Sender. Plain HTTP is posted on the caller's goroutine (direct), the rest over a transport.
//
// It guards egress (resolve, judge the whole answer, dial nothing but what was judged), keeps
// connections for reuse within a namespace and the same TLS material, authenticates, enforces the
// endpoint's timeout, and turns whatever comes back into a delivery.Response without secrets. A request
// that may have reached the receiver is never sent again. Retries, circuits and rates are left to the
// dispatcher, and signatures to package signing.
package httpsend
