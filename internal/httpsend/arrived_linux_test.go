// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// arrived waits until the other side's system has all that was written to a connection, its end included.
func arrived(t testing.TB, conn net.Conn) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		var info *unix.TCPInfo
		if controlErr := raw.Control(func(fd uintptr) {
			info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		}); controlErr != nil || err != nil {
			t.Errorf("look at connection: %v, %v", controlErr, err)
			return
		}
		if info.Unacked == 0 {
			tick.Stop()
			return
		}
	}
}
