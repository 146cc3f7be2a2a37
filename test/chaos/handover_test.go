// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// TestSources_HandOver has two dispatchers on one directory while ConfigMaps are changed: one of them watches and the
// other waits, until the one is killed or stopped. HANDOVERS says how often.
func TestSources_HandOver(t *testing.T) {
	times := fromEnvironment(t, "HANDOVERS", 2)
	ctx := within(t, 3*time.Minute+time.Duration(times)*10*time.Second)
	works := newDispatcher(t, platform.DispatcherOptions{})
	must(t, works.Start())
	startOperator(t, nil)
	shops := &shops{random: dice(t), receiver: newReceiver(t)}
	shops.open(ctx, t, "every", nil)
	waits := newDispatcher(t, platform.DispatcherOptions{DataDir: works.DataDir})
	for i := range times {
		must(t, waits.Start())
		must(t, platform.Await(ctx, "the other dispatcher waits", func(context.Context) error {
			return logged(waits, "Waits for the event log, which another process has open", i/2+1)
		}))
		shops.change(ctx, t, 2*time.Second)
		shops.awaitTold(ctx, t) // by the one that works
		if err := logged(waits, "Started dispatcher", (i+1)/2+1); err == nil {
			t.Fatal("two dispatchers work on one directory")
		}
		if i%2 == 0 {
			works.Kill()
		} else {
			must(t, works.Stop())
		}
		shops.change(ctx, t, time.Second)
		must(t, waits.AwaitReady(ctx))
		shops.change(ctx, t, time.Second)
		shops.awaitTold(ctx, t)
		works, waits = waits, works
	}
	must(t, awaitDrained(ctx, works))
	must(t, works.Stop())
	shops.check(t, works.DataDir)
	t.Logf("%d changes, %d events, %d requests, %d times handed over", shops.changes, shops.events, shops.receiver.Len(), times)
}

// logged returns an error unless a dispatcher has logged something so many times.
func logged(d *platform.Dispatcher, what string, times int) error {
	text, err := os.ReadFile(d.Log())
	if err != nil {
		return err
	}
	if n := bytes.Count(text, []byte(what)); n < times {
		return fmt.Errorf("it logged %d times %q", n, what)
	}
	return nil
}
