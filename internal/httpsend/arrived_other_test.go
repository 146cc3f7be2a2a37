// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package httpsend_test

import (
	"net"
	"testing"
)

// arrived takes it that what is written over loopback has arrived.
func arrived(testing.TB, net.Conn) {}
