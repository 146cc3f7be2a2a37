// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
)

// pollInterval is how often a component that starts is looked at.
const pollInterval = 50 * time.Millisecond

// await returns once a path of the API server answers 200. It gives up when the process ends first, or when
// the time for a start is over. The caller holds mu.
func (c *ControlPlane) await(p *process, path string) error {
	client, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	defer client.CloseIdleConnections()

	ctx, cancel := context.WithTimeout(context.Background(), c.options.StartTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !c.answers(ctx, client, path) {
		select {
		case <-ticker.C:
		case <-p.done:
			return p.failure("ended while it started")
		case <-ctx.Done():
			return p.failure(fmt.Sprintf("was not ready after %s", c.options.StartTimeout))
		}
	}
	return nil
}

func (c *ControlPlane) answers(ctx context.Context, client *http.Client, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Config().Host+path, http.NoBody)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
