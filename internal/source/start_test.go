// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// noting is a log that notes from where events are read.
type noting struct {
	source.Log
	mu   *sync.Mutex
	from *[]uint64
}

func (n noting) EventsBehind(ctx context.Context, after uint64, handle func(eventlog.Message)) error {
	n.mu.Lock()
	*n.from = append(*n.from, after)
	n.mu.Unlock()
	return n.Log.EventsBehind(ctx, after, handle)
}

func TestRunner_ReadsNoEventsForAKindThatIsNotWatchedAnyMore(t *testing.T) {
	w := newWorld(t)
	w.start()
	for id, sequence := range map[string]int{"gone": 1, "late": 19_990, "prompt": 20_000} {
		if err := w.log.PutCheckpoint(t.Context(), id, fmt.Appendf(nil, `{"version":1,"eventSequence":%d}`, sequence)); err != nil {
			t.Fatal(err)
		}
	}
	w.stop()
	var mu sync.Mutex
	var from []uint64
	w.start(func(o *source.Options) { o.Log = noting{o.Log, &mu, &from} })
	w.eventually("events are read", func() error {
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(from, []uint64{19_990}) {
			return fmt.Errorf("they are read from %v on", from)
		}
		return nil
	})
}

func TestRunner_ListsPageByPageWhereListsAreNotStreamed(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.create(w.configMap(fmt.Sprintf("shoes-%d", i), nil))
	}
	var refused atomic.Int64
	p := newProxy(t, w.plane.Config(), func(r *http.Response) error {
		if !strings.Contains(r.Request.URL.RawQuery, "sendInitialEvents") || !strings.HasSuffix(r.Request.URL.Path, "/configmaps") {
			return nil
		}
		refused.Add(1)
		answer, err := json.Marshal(apierrors.NewBadRequest("sendInitialEvents is forbidden").Status())
		if err != nil {
			return err
		}
		_ = r.Body.Close()
		r.StatusCode, r.Body = http.StatusBadRequest, io.NopCloser(bytes.NewReader(answer))
		r.ContentLength = int64(len(answer))
		r.Header.Del("Content-Encoding")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-Length", strconv.Itoa(len(answer)))
		return nil
	})
	w.start(func(o *source.Options) { o.Config = p.config })
	w.source("all", func(s *hookv1.WebhookEventSourceSpec) { s.InitialObjects = hookv1.InitialObjectsEmit })
	w.awaitTold("all shoes-0 configmap.created", "all shoes-1 configmap.created", "all shoes-2 configmap.created")
	w.create(w.configMap("socks", nil))
	w.awaitTold("all shoes-0 configmap.created", "all shoes-1 configmap.created", "all shoes-2 configmap.created", "all socks configmap.created")
	if refused.Load() == 0 {
		t.Error("no list was asked to be streamed")
	}
}
