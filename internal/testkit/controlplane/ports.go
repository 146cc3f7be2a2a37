// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the range that the kernel hands out to connections (from 32768 on Linux). A
// port from that range could be some connection's own when the API server wants it back after an outage.
const (
	lowestPort  = 20000
	highestPort = 32000
)

var errNoFreePort = errors.New("no free port on 127.0.0.1 in 100 tries")

// ports are those that a control plane listens on, all on 127.0.0.1.
type ports struct {
	etcd      int
	apiServer int
}

// freePorts picks ports that nothing listens on. Another program may take one before the component does,
// which is rare, since they are picked at random from 12,000.
func freePorts() (ports, error) {
	etcd, err := freePort(0)
	if err != nil {
		return ports{}, err
	}
	apiServer, err := freePort(etcd)
	return ports{etcd: etcd, apiServer: apiServer}, err
}

func freePort(taken int) (int, error) {
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if port == taken {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, listener.Close()
	}
	return 0, errNoFreePort
}
