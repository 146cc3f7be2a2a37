// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// heldSender answers no request until release is closed. Until then it synchronises with nobody, not even by looking
// at the context.
type heldSender struct{ release chan struct{} }

func (h *heldSender) Send(context.Context, *delivery.Request) delivery.Response {
	<-h.release
	return delivery.Response{StatusCode: http.StatusOK}
}

func (h *heldSender) Vet(context.Context, *delivery.Endpoint) error { return nil }

func (h *heldSender) Forget(delivery.Name) {}

// idle returns a dispatcher that is not started.
func idle(t *testing.T) *Dispatcher {
	t.Helper()
	d, err := New(Options{Log: &eventlog.Log{}, Sender: &heldSender{}, Reporter: newReports()})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWindow_HoldsTheReaderBackWhenItIsFull(t *testing.T) {
	tests := map[string]struct{ entries, left int }{
		"of events, whatever they match": {entries: maxUnsettledEvents},
		"of deliveries":                  {entries: 1, left: maxUnsettledTasks},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := idle(t)
				for seq := range tc.entries {
					d.window.add(&entry{seq: uint64(seq + 1), left: tc.left})
				}
				room := false
				go func() {
					_, room = d.awaitRoom()
				}()
				synctest.Wait()
				if room {
					t.Fatal("another event was taken")
				}
				d.mu.Lock()
				for range tc.left {
					d.window.recorded(d.window.entries[0])
				}
				d.window.settle()
				d.room.Broadcast()
				d.mu.Unlock()
				synctest.Wait()
				if !room {
					t.Error("no event is taken though there is room again")
				}
			})
		})
	}
}
