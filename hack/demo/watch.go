// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
)

// The sample that tells of Deployments: its source and endpoint have one name.
const (
	degraded  = "degraded-deployments"
	turned    = "dev.posthorn.kubernetes.apps.deployment.updated"
	recovered = turned + ".recovered"
)

// degradeDeployment has a Deployment be short of replicas for as long as the sample waits, and then no more.
func (d *demo) degradeDeployment(ctx context.Context) error {
	if err := d.shareSecret(ctx, degraded); err != nil {
		return err
	}
	d.say("The sample waits for 2 minutes. Here it waits for 2 seconds.")
	err := d.kubectl(ctx, "patch", "webhookeventsource", degraded, "-n", tenant, "--type=merge", `--patch={"spec":{"when":{"for":"2s"}}}`)
	if err != nil {
		return err
	}
	if err := d.kubectl(ctx, "wait", "-n", tenant, "--for=condition=Ready", "webhookeventsource/"+degraded, "--timeout=60s"); err != nil {
		return err
	}
	if err := d.kubectl(ctx, "create", "deployment", "shop", "-n", tenant, "--image=example.com/shop:1", "--replicas=3"); err != nil {
		return err
	}
	d.say("No node runs pods here, so that its status is written by hand: one replica is there, and then all three.")
	for _, one := range []struct {
		available int
		event     string
	}{{1, turned}, {3, recovered}} {
		if err := d.setAvailable(ctx, one.available); err != nil {
			return err
		}
		if err := d.awaitTold(ctx, one.event); err != nil {
			return err
		}
	}
	return d.kubectl(ctx, "get", "webhookeventsource", degraded, "-n", tenant)
}

// setAvailable writes the status of the Deployment as its controller would.
func (d *demo) setAvailable(ctx context.Context, available int) error {
	return d.kubectl(ctx, "patch", "deployment", "shop", "-n", tenant, "--subresource=status", "--type=merge",
		fmt.Sprintf(`--patch={"status":{"replicas":3,"readyReplicas":%d,"availableReplicas":%[1]d}}`, available))
}

// awaitTold returns once the receiver has taken one event of a type, verified.
func (d *demo) awaitTold(ctx context.Context, kind string) error {
	return d.await(ctx, kind+" arrives", func(ctx context.Context) error {
		all, err := d.received(ctx)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(one delivery) bool { return one.EventType != kind })
		if len(all) != 1 || !all[0].Verified || all[0].Status != 200 {
			return fmt.Errorf("the receiver has %+v", all)
		}
		return nil
	})
}
