// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/wire"
)

// checkpoint is how far a watch has come.
type checkpoint struct {
	// Version of the record.
	Version int `json:"version"`
	// Kind is what is watched, in whatever version: kind and group. Namespace is where; empty for everywhere.
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	// ResourceVersion is the one up to which every change is done; empty before the first list.
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Time is when that was so, by the dispatcher's clock.
	Time time.Time `json:"time"`
	// EventSequence is the newest event of the log then: the events of later changes are behind it.
	EventSequence uint64 `json:"eventSequence"`
	// Takers are the sources that take part, by name.
	Takers map[string]takerRecord `json:"takers,omitempty"`
}

// takerRecord is what a checkpoint says of a taker.
type takerRecord struct {
	// Shape is that of the source's spec when the taker last went through all objects.
	Shape string `json:"shape,omitempty"`
	// Held says that something may have happened since that it was not told.
	Held bool `json:"held,omitempty"`
	// Begun says that it has, at least once: what it finds new since is not what was there before.
	Begun bool `json:"begun,omitempty"`
	// From is the resource version of the list that it last went through: earlier changes are not for it.
	From uint64 `json:"from,omitempty"`
	// Expression is edge.Policy's key of the expression that the states are of.
	Expression uint64 `json:"expression,omitempty"`
	// Emitted is how many events it has sent about the resource, LastEvent when it last did.
	Emitted   int64     `json:"emitted,omitempty"`
	LastEvent time.Time `json:"lastEvent,omitzero"`
}

// checkpointVersion is the version of checkpoints that this build writes and reads.
const checkpointVersion = 1

func readCheckpoint(b []byte) (checkpoint, error) {
	var c checkpoint
	if err := json.Unmarshal(b, &c); err != nil {
		return checkpoint{}, fmt.Errorf("read checkpoint: %w: %w", wire.ErrMalformed, err)
	}
	if c.Version != checkpointVersion {
		return checkpoint{}, fmt.Errorf("read checkpoint: %w: %d, this build reads %d", wire.ErrVersion, c.Version, checkpointVersion)
	}
	return c, nil
}

// How often the checkpoint is stored.
const (
	// checkpointInterval is how often the checkpoint follows what is done.
	checkpointInterval = time.Second
	// lateCheckpoint is how often it follows the events of others: a start reads those behind it.
	lateCheckpoint = 10 * time.Second
	// idleCheckpoint is how often it follows the API server's bookmarks while nothing happens at all.
	idleCheckpoint = 5 * time.Minute
)

// checkpoint stores how far the watch has come, when that is worth it.
func (w *watch) checkpoint(ctx context.Context, now bool) error {
	worked, due := w.checkpointDue()
	if !now && !due {
		return nil
	}
	last, err := w.log.LastEvent(ctx)
	if err != nil {
		return err
	}
	w.lookedAt = time.Now()
	if w.open {
		last = w.written.EventSequence // a start has to find what was stored since
	}
	if !now && !worked && last == w.written.EventSequence &&
		(w.version == w.written.ResourceVersion || time.Since(w.writtenAt) < idleCheckpoint) {
		return nil
	}
	c := checkpoint{
		Version: checkpointVersion, Kind: kindLabel(w.key.resource), Namespace: w.key.namespace,
		ResourceVersion: w.version, Time: w.upToDate, EventSequence: last, Takers: w.takerRecords(),
	}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode checkpoint: %w", err)
	}
	if err := w.log.PutCheckpoint(ctx, w.id, text); err != nil {
		return err
	}
	w.written, w.writtenAt, w.worked = c, time.Now(), false
	w.tell()
	return w.leave(ctx)
}

// checkpointDue reports whether something was done since the last checkpoint, and whether one is worth a look. Every
// batch asks: the records are compared only when that may lead to something.
func (w *watch) checkpointDue() (worked, due bool) {
	age := time.Since(w.lookedAt)
	if age < checkpointInterval {
		return true, false
	}
	worked = w.worked || !maps.Equal(w.takerRecords(), w.written.Takers)
	return worked, worked || age >= lateCheckpoint
}

// leave forgets the entries that no start has to know any more.
func (w *watch) leave(ctx context.Context) error {
	if len(w.leaving) == 0 {
		return nil
	}
	keys := make([]eventlog.ObjectKey, 0, len(w.leaving))
	past := number(w.written.ResourceVersion)
	for uid := range w.leaving {
		if w.entries[uid].version <= past { // or it was loaded, and the watch has yet to come there again
			keys = append(keys, eventlog.ObjectKey{Watch: w.id, UID: uid})
		}
	}
	if err := w.log.RemoveObjects(ctx, keys); err != nil {
		return err
	}
	for _, k := range keys {
		delete(w.entries, k.UID)
		delete(w.leaving, k.UID)
	}
	return nil
}

func (w *watch) takerRecords() map[string]takerRecord {
	records := make(map[string]takerRecord, len(w.records))
	for id, r := range w.records {
		records[id] = *r
	}
	return records
}
