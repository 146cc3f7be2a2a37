// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// originPrefix is what the origin of every event of a source begins with.
const originPrefix = "source:"

// sent are the events of sources that the log held behind the checkpoints when this run began: what came of changes
// that may be looked at again. It does not change after it was read.
type sent struct {
	ids      map[[2]string]struct{} // source and id
	versions map[[2]string]uint64   // source and UID of the object: the newest version told of
}

// readSent reads the events behind the checkpoints. The quick look at an event's source spares decoding what others
// sent.
func readSent(ctx context.Context, log Log, checkpoints map[string][]byte) (*sent, error) {
	s := &sent{ids: map[[2]string]struct{}{}, versions: map[[2]string]uint64{}}
	from := uint64(math.MaxUint64)
	for _, data := range checkpoints {
		if c, err := readCheckpoint(data); err == nil {
			from = min(from, c.EventSequence)
		}
	}
	if from == math.MaxUint64 {
		return s, nil
	}
	if err := log.EventsBehind(ctx, from, func(m eventlog.Message) { s.take(m.Data) }); err != nil {
		return nil, fmt.Errorf("read events of sources: %w", err)
	}
	return s, nil
}

func (s *sent) take(record []byte) {
	if i, err := event.RecordIdentity(record); err != nil || !strings.HasPrefix(string(i.Source), "/namespaces/") {
		return
	}
	e, err := event.DecodeRecord(record)
	if err != nil || !strings.HasPrefix(e.Origin, originPrefix) {
		return
	}
	s.ids[[2]string{e.Source, e.ID}] = struct{}{}
	var data struct{ UID, ResourceVersion string }
	if json.Unmarshal(e.Data, &data) == nil {
		k := [2]string{e.Origin, data.UID}
		s.versions[k] = max(s.versions[k], number(data.ResourceVersion))
	}
}

// has reports whether an earlier run stored the event.
func (s *sent) has(e *event.Event) bool {
	_, ok := s.ids[[2]string{e.Source, e.ID}]
	return ok
}

// version returns the newest version of an object that an earlier run stored an event of, and may not remember.
func (s *sent) version(source, uid string) uint64 {
	return s.versions[[2]string{originPrefix + strings.Replace(source, "/", ":", 1), uid}]
}
