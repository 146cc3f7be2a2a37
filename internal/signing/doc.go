// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package signing signs webhooks: the two schemes of Standard Webhooks (HMAC-SHA256 and Ed25519), a
// hex HMAC with configurable header names, and GitHub's.
//
// It parses and generates keys, and signs with one or, during a rotation's overlap, two of them.
// Where keys are kept and when they rotate is left to the operator. A Key never prints what it
// holds, however it is formatted, logged or encoded, and no error of this package quotes one.
package signing
