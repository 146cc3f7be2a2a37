// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// originPrefix is what the origin of every event of a source begins with.
const originPrefix = "source:"

// sent are the events of sources that the log held behind the checkpoints when this run began: what came of changes
// that may be looked at again. It does not change after it was read.
type sent struct {
	ids  map[[2]string]struct{} // source and id
	told map[[2]string]told     // origin and UID of the object: what was told of it last
}

// told is an event about an object.
type told struct {
	// sequence is the event's in the log.
	sequence uint64
	object   change.Reference
	// version is the object's: of an edge, that with which it began.
	version uint64
	gone    bool
	edge    change.Edge
}

// farBehind is how many events a checkpoint is behind the newest one when its watch did not run lately, as that of a kind
// that is no longer served.
const farBehind = 10_000

// lagging returns the checkpoints that a start does not have to read events for, unless their watches run again.
func lagging(checkpoints map[string][]byte) map[string]bool {
	sequences, newest := map[string]uint64{}, uint64(0)
	for id, data := range checkpoints {
		if c, err := readCheckpoint(data); err == nil {
			sequences[id], newest = c.EventSequence, max(newest, c.EventSequence)
		}
	}
	behind := map[string]bool{}
	for id, sequence := range sequences {
		behind[id] = newest-sequence > farBehind
	}
	return behind
}

// readSent reads the events behind the checkpoints. The quick look at an event's source spares decoding what others
// sent.
func readSent(ctx context.Context, log Log, checkpoints map[string][]byte) (*sent, error) {
	s := &sent{ids: map[[2]string]struct{}{}, told: map[[2]string]told{}}
	from := uint64(math.MaxUint64)
	for _, data := range checkpoints {
		if c, err := readCheckpoint(data); err == nil {
			from = min(from, c.EventSequence)
		}
	}
	if from == math.MaxUint64 {
		return s, nil
	}
	if err := log.EventsBehind(ctx, from, s.take); err != nil {
		return nil, fmt.Errorf("read events of sources: %w", err)
	}
	return s, nil
}

func (s *sent) take(m eventlog.Message) {
	if i, err := event.RecordIdentity(m.Data); err != nil || !strings.HasPrefix(string(i.Source), "/namespaces/") {
		return
	}
	e, err := event.DecodeRecord(m.Data)
	if err != nil || !strings.HasPrefix(e.Origin, originPrefix) {
		return
	}
	s.ids[[2]string{e.Source, e.ID}] = struct{}{}
	var object change.Reference
	if json.Unmarshal(e.Data, &object) != nil || object.UID == "" {
		return
	}
	t := told{sequence: m.Seq, object: object, version: number(object.ResourceVersion)}
	switch kind := strings.TrimSuffix(e.Type, change.RecoveredSuffix); {
	case kind != e.Type:
		t.edge = change.Recovered
	case strings.HasSuffix(e.ID, turnedSuffix):
		t.edge = change.Turned
	default:
		t.gone = strings.HasSuffix(e.Type, deletedSuffix)
	}
	s.told[[2]string{e.Origin, object.UID}] = t
}

// By what an event of an object is known.
const (
	turnedSuffix  = "-turned"
	deletedSuffix = ".deleted"
)

// has reports whether an earlier run stored the event.
func (s *sent) has(e *event.Event) bool {
	_, ok := s.ids[[2]string{e.Source, e.ID}]
	return ok
}

// last returns what an earlier run told of an object last, which it may not remember.
func (s *sent) last(t *taker, uid string) (told, bool) {
	last, ok := s.told[[2]string{t.origin(), uid}]
	return last, ok
}

// turned reports whether an earlier run told that an expression, which had to hold for a while, had turned true.
func (s *sent) turned(t *taker, uid, episode string) bool {
	id := change.ID(uid, episode, change.Updated, change.Turned, false, false)
	_, ok := s.ids[[2]string{change.Source(t.source.Name.Namespace, t.source.Name.Name), id}]
	return ok
}

// origin is that of the taker's events.
func (t *taker) origin() string {
	return originPrefix + t.source.Name.Namespace + ":" + t.source.Name.Name
}

// newest is the newest version of any object that was told of.
func (s *sent) newest() uint64 {
	var newest uint64
	for _, t := range s.told {
		newest = max(newest, t.version)
	}
	return newest
}
