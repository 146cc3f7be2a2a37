// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/change"
)

// TestRunner_TellsOfThousandsOfChangesAtOnce has several writers change ConfigMaps as fast as the API server takes it.
// SOURCE_STORM says how many changes they make.
func TestRunner_TellsOfThousandsOfChangesAtOnce(t *testing.T) {
	const writers, each = 10, 10
	changes := 5_000
	if raw := os.Getenv("SOURCE_STORM"); raw != "" {
		var err error
		if changes, err = strconv.Atoi(raw); err != nil || changes < writers*each {
			t.Fatalf("SOURCE_STORM is %q, want a number from %d", raw, writers*each)
		}
	}
	w := newWorld(t)
	w.start()
	w.source("storm", nil)
	w.source("patches", func(s *hookv1.WebhookEventSourceSpec) { s.Data = &hookv1.EventData{Form: hookv1.DataFormPatch} })
	w.source("calm", func(s *hookv1.WebhookEventSourceSpec) {
		s.Resources = []hookv1.WatchedResource{{APIVersion: "v1", Kind: "Secret"}}
	})
	for _, name := range []string{"storm", "patches", "calm"} {
		w.awaitWatching(name)
	}

	over := make(chan struct{})
	var calm, storm errgroup.Group
	var secrets int
	calm.Go(func() error {
		for ; ; secrets++ {
			meta := metav1.ObjectMeta{Namespace: w.namespace, Name: fmt.Sprintf("calm-%d", secrets)}
			if err := w.client.Create(t.Context(), &corev1.Secret{ObjectMeta: meta}); err != nil {
				return err
			}
			select {
			case <-over:
				return nil
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	var mu sync.Mutex
	last := map[string]uint64{} // the newest version of each object, by its UID
	begun := time.Now()
	for i := range writers {
		storm.Go(func() error {
			there := make([]*corev1.ConfigMap, each)
			for n := range changes / writers {
				j := n % each
				write := func() error { return w.client.Update(t.Context(), there[j]) }
				if there[j] == nil {
					there[j] = w.configMap(fmt.Sprintf("c-%d-%d", i, j), map[string]string{})
					write = func() error { return w.client.Create(t.Context(), there[j]) }
				}
				there[j].Data["n"] = strconv.Itoa(n)
				if err := write(); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for _, c := range there {
				v, err := strconv.ParseUint(c.ResourceVersion, 10, 64)
				if err != nil {
					return err
				}
				last[string(c.UID)] = v
			}
			return nil
		})
	}
	if err := storm.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d changes in %s", changes, time.Since(begun).Round(time.Millisecond))
	close(over)
	if err := calm.Wait(); err != nil {
		t.Fatal(err)
	}
	w.eventually("the last state of each object is told", func() error {
		got := w.toldLast()
		for _, name := range []string{"storm", "patches"} {
			if !maps.Equal(got[name], last) {
				return fmt.Errorf("%s told the last states of %d objects, want those of %d", name, len(got[name]), len(last))
			}
		}
		if n := len(got["calm"]); n != secrets+1 {
			return fmt.Errorf("calm told of %d Secrets, want %d", n, secrets+1)
		}
		return nil
	})
	t.Logf("all told after %s", time.Since(begun).Round(time.Millisecond))

	ids, told, nets := map[[2]string]bool{}, map[string]int{}, map[string]int{}
	order := w.told()
	for i, e := range w.events() {
		if k := [2]string{e.Source, e.ID}; ids[k] {
			t.Errorf("%s is told twice: %s", e.ID, order[i])
		} else {
			ids[k] = true
		}
		name := strings.Fields(order[i])[0]
		if e.Extensions[change.ExtensionNetEffect] == true {
			nets[name]++
		}
		told[name]++
	}
	for _, name := range []string{"storm", "patches"} {
		if told[name] != changes && nets[name] == 0 {
			t.Errorf("%s told of %d changes, want %d", name, told[name], changes)
		}
	}
	first := slices.IndexFunc(order, func(s string) bool { return strings.HasPrefix(s, "calm ") })
	if rest := order[first:]; !slices.ContainsFunc(rest, func(s string) bool { return strings.HasPrefix(s, "storm ") }) {
		t.Error("the other source told of nothing before the storm was over")
	}
	for _, name := range []string{"storm", "patches", "calm"} {
		w.awaitWatching(name)
	}
}

// toldLast returns, by source and UID, the newest version of each object that was told.
func (w *world) toldLast() map[string]map[string]uint64 {
	w.Helper()
	last := map[string]map[string]uint64{}
	for _, e := range w.events() {
		var about change.Reference
		if err := json.Unmarshal(e.Data, &about); err != nil {
			w.Fatal(err)
		}
		v, err := strconv.ParseUint(about.ResourceVersion, 10, 64)
		if err != nil {
			w.Fatal(err)
		}
		name := e.Source[strings.LastIndexByte(e.Source, '/')+1:]
		if last[name] == nil {
			last[name] = map[string]uint64{}
		}
		if v <= last[name][about.UID] {
			w.Fatalf("%s tells of %s at version %d after %d", name, about.UID, v, last[name][about.UID])
		}
		last[name][about.UID] = v
	}
	return last
}
