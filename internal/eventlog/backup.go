// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
)

// backupVersion is the version of the archives that Backup writes. Restore reads no other.
const backupVersion = 1

// Names of the entries of an archive that belong to no stream. The last one says that nothing is missing.
const (
	entryManifest = "posthorn-backup.json"
	entryEnd      = "end"
)

// manifest is the first entry of an archive.
type manifest struct {
	Version int       `json:"version"`
	Created time.Time `json:"created"`
}

// entryStream is the name of a stream's description, below the stream's own name.
const entryStream = "stream.json"

// backupOrder is the order in which streams are copied, which takes the place of one moment for all: what
// refers to something is copied before what it refers to. An event or a waiting delivery that came after the
// attempt log was copied is one that no flush names, as after a crash. What is remembered of watched objects,
// checkpoints among it, is copied before the events that came of them.
var backupOrder = []string{
	streamState, streamObjects, streamAttempts, streamWaiting, streamDeadLetters, streamEvents, streamKeys,
}

// backupOptional are the streams that archives of earlier releases lack.
var backupOptional = []string{streamObjects}

// chunkBytes is how much of a stream is asked for at a time; the engine takes no more.
const chunkBytes = 1 << 20

// Backup writes an archive (tar) of all streams, while they are written to. The caller answers for nothing
// being removed meanwhile: neither waiting deliveries, nor events or flushes.
func (l *Log) Backup(ctx context.Context, w io.Writer) error {
	conn, err := l.engine.connect("posthorn-backup")
	if err != nil {
		return err
	}
	defer conn.Close()
	archive := tar.NewWriter(w)
	head, err := json.Marshal(manifest{backupVersion, time.Now().UTC()})
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if err := addEntry(archive, entryManifest, head); err != nil {
		return err
	}
	for _, stream := range backupOrder {
		if err := backupStream(ctx, conn, stream, archive); err != nil {
			return fmt.Errorf("back up %s: %w", stream, err)
		}
	}
	if err := addEntry(archive, entryEnd, nil); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

// snapshotRequest asks for a stream (NATS ADR on stream snapshots).
type snapshotRequest struct {
	Deliver     string `json:"deliver_subject"`
	NoConsumers bool   `json:"no_consumers"`
	ChunkSize   int    `json:"chunk_size"`
}

// apiError is an error in an answer of the engine's API.
type apiError struct {
	Description string `json:"description"`
}

// snapshot describes a stream that was asked for, and is what a restore begins with.
type snapshot struct {
	Error  *apiError       `json:"error,omitempty"`
	Config map[string]any  `json:"config"`
	State  json.RawMessage `json:"state"`
}

// backupStream writes one stream: its description, and then its chunks.
func backupStream(ctx context.Context, conn *nats.Conn, stream string, archive *tar.Writer) error {
	inbox := conn.NewRespInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return classify("subscribe", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	var s snapshot
	request := snapshotRequest{Deliver: inbox, NoConsumers: true, ChunkSize: chunkBytes}
	if err := call(ctx, conn, "$JS.API.STREAM.SNAPSHOT."+stream, request, &s); err != nil {
		return err
	}
	if s.Error != nil {
		return fmt.Errorf("%w: %s", ErrUnavailable, s.Error.Description)
	}
	head, err := json.Marshal(snapshot{Config: s.Config, State: s.State})
	if err != nil {
		return fmt.Errorf("encode description: %w", err)
	}
	if err := addEntry(archive, stream+"/"+entryStream, head); err != nil {
		return err
	}
	for n := 0; ; n++ {
		m, err := nextChunk(ctx, sub)
		if err != nil {
			return err
		}
		if len(m.Data) == 0 {
			if status := m.Header.Get("Status"); status != "" && status != "204" {
				return fmt.Errorf("%w: %s", ErrUnavailable, m.Header.Get("Description"))
			}
			return nil
		}
		if err := addEntry(archive, fmt.Sprintf("%s/%06d", stream, n), m.Data); err != nil {
			return err
		}
		if m.Reply != "" {
			if err := conn.Publish(m.Reply, nil); err != nil {
				return classify("acknowledge chunk", err)
			}
		}
	}
}

// nextChunk waits for the next part of a stream.
func nextChunk(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	if err != nil {
		return nil, classify("read chunk", err)
	}
	return m, nil
}

// call asks the engine's API.
func call(ctx context.Context, conn *nats.Conn, subject string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	m, err := conn.RequestWithContext(ctx, subject, body)
	if err != nil {
		return classify("ask engine", err)
	}
	if len(m.Data) == 0 && answer == nil {
		return nil
	}
	if err := json.Unmarshal(m.Data, answer); err != nil {
		return fmt.Errorf("read answer of engine: %w", err)
	}
	return nil
}

// addEntry writes one entry of an archive.
func addEntry(archive *tar.Writer, name string, data []byte) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	if _, err := archive.Write(data); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

// ErrBackup appears when an archive cannot be restored: it is none, is cut off, or was written by a build that
// this one does not understand.
var ErrBackup = errors.New("backup cannot be restored")
