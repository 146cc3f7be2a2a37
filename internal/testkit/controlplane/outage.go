// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

// EtcdURL is where etcd listens, for its gateway of JSON.
func (c *ControlPlane) EtcdURL() string { return c.etcdURL() }

// StopEtcd ends etcd at once, as a crash does. Its data stays.
func (c *ControlPlane) StopEtcd() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.etcd == nil {
		return nil
	}
	c.etcd.kill()
	c.etcd = nil
	return nil
}

// StartEtcd starts etcd again after StopEtcd, at the same address, with the same data. The API server waits for
// it, and StartAPIServer for both.
func (c *ControlPlane) StartEtcd() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.etcd != nil {
		return nil
	}
	var err error
	c.etcd, err = c.run("etcd", c.etcdFlags())
	return err
}
