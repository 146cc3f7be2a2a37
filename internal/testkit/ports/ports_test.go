// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ports

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// asked names the port that a run of this test binary tries to reserve, instead of running tests.
const asked = "POSTHORN_TEST_PORT"

func TestMain(m *testing.M) {
	port, err := strconv.Atoi(os.Getenv(asked))
	if err != nil {
		os.Exit(m.Run())
	}
	if ok, err := reserve(port); err != nil || !ok {
		os.Exit(1)
	}
	os.Exit(0)
}

// elsewhere tells whether another process could reserve a port.
func elsewhere(t *testing.T, port int) bool {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), asked+"="+strconv.Itoa(port))
	err := c.Run()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return err == nil
}

func TestReserve_NobodyElseGetsThePort(t *testing.T) {
	port, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := reserve(port); err != nil || ok {
		t.Errorf("the same process got port %d twice: %v", port, err)
	}
	if elsewhere(t, port) {
		t.Errorf("another process got port %d", port)
	}
	// What listens at it, and stops, changes nothing about whose it is.
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if elsewhere(t, port) {
		t.Errorf("another process got port %d after a listener", port)
	}
}

func TestReserve_APortIsFreeOnceItsProcessEnded(t *testing.T) {
	for range tries {
		port, err := Reserve()
		if err != nil {
			t.Fatal(err)
		}
		reserved.Lock()
		last := reserved.locks[len(reserved.locks)-1]
		reserved.Unlock()
		if err := last.Close(); err != nil {
			t.Fatal(err)
		}
		// Twice, since the first to have it lets go of it when it ends.
		if elsewhere(t, port) {
			if !elsewhere(t, port) {
				t.Errorf("port %d is held by a process that has ended", port)
			}
			return
		}
	}
	t.Error("no port was free for another process")
}

func TestReserve_PassesOverAPortThatIsInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if ok, err := reserve(listener.Addr().(*net.TCPAddr).Port); err != nil || ok {
		t.Errorf("a port that is in use was reserved: %v", err)
	}
}
