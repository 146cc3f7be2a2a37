// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ports hands out ports of 127.0.0.1 that are the caller's own, also while nothing listens there: before a
// process starts, and between its crash and its restart. No two callers on this machine get the same one, in
// whichever test binary they run.
package ports

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/gofrs/flock"
)

// Ports are taken from below the range that the kernel hands out to connections (from 32768 on Linux): one from that
// range could be some connection's own when a process wants it back.
const (
	lowest  = 12000
	highest = 32000
)

// tries bounds the search. A thousandth of the ports is in use in the largest run.
const tries = 100

var errNone = errors.New("no free port on 127.0.0.1 in 100 tries")

// reserved are the locks of this process, one a port. The system takes them back when the process ends, however that
// comes.
var reserved struct {
	sync.Mutex
	locks []*flock.Flock
}

// Reserve returns a port that nothing listens at, and that no other call on this machine returns until this process
// has ended. Programs that do not ask here may still take it.
func Reserve() (int, error) {
	for range tries {
		port := lowest + rand.IntN(highest-lowest)
		ok, err := reserve(port)
		if err != nil {
			return 0, err
		}
		if ok {
			return port, nil
		}
	}
	return 0, errNone
}

// Address is 127.0.0.1 with a port that Reserve returns.
func Address() (string, error) {
	port, err := Reserve()
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
}

// reserve tells whether the port is now this process's.
func reserve(port int) (bool, error) {
	dir, err := directory()
	if err != nil {
		return false, err
	}
	lock := flock.New(filepath.Join(dir, strconv.Itoa(port)))
	locked, err := lock.TryLock()
	switch {
	case errors.Is(err, fs.ErrPermission): // another user's
		return false, nil
	case err != nil:
		return false, fmt.Errorf("lock file of port: %w", err)
	}
	if !locked || !unused(port) {
		return false, lock.Close()
	}
	reserved.Lock()
	defer reserved.Unlock()
	reserved.locks = append(reserved.locks, lock)
	return true, nil
}

// directory holds the locks of all users, who may not remove each other's.
func directory() (string, error) {
	dir := filepath.Join(os.TempDir(), "posthorn-ports")
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil:
		err = os.Chmod(dir, 0o777|os.ModeSticky) // as the directory that it is in
	case errors.Is(err, fs.ErrExist):
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("make directory of ports: %w", err)
	}
	return dir, nil
}

// unused tells whether a process could listen at the port now.
func unused(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
