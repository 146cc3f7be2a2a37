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
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// engineDir is the directory that the engine makes below Options.Dir.
const engineDir = "jetstream"

// Restore makes the files of o.Dir from an archive that Backup wrote. There must be none yet. A process
// that opens the directory meanwhile waits. When it fails, what it made is removed.
func Restore(ctx context.Context, o Options, r io.Reader) (err error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	files := filepath.Join(o.Dir, engineDir)
	switch _, err := os.Stat(files); {
	case err == nil:
		return fmt.Errorf("%w: there is an event log in %s: restore into an empty directory", ErrBackup, o.Dir)
	case !os.IsNotExist(err):
		return fmt.Errorf("look at %s: %w", o.Dir, err)
	}
	if o.MaxBytes, err = storageLimit(o.Dir, o.MaxBytes); err != nil {
		return err
	}
	held, err := lock(ctx, o.Dir, o.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	e, err := startEngine(o)
	if err != nil {
		return err
	}
	err = restore(ctx, e, r)
	e.close()
	if err != nil {
		return errors.Join(err, os.RemoveAll(files))
	}
	return nil
}

// restore reads an archive into an engine without streams.
func restore(ctx context.Context, e *engine, r io.Reader) error {
	conn, err := e.connect("posthorn-restore")
	if err != nil {
		return err
	}
	defer conn.Close()
	archive := tar.NewReader(r)
	if err := readManifest(archive); err != nil {
		return err
	}
	a := &archived{conn: conn, missing: backupRequired()}
	for {
		head, err := archive.Next()
		if err != nil {
			return fmt.Errorf("%w: it is cut off: %w", ErrBackup, err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			return fmt.Errorf("%w: it is cut off: %w", ErrBackup, err)
		}
		if head.Name == entryEnd {
			return a.end(ctx)
		}
		if err := a.take(ctx, head.Name, data); err != nil {
			return err
		}
	}
}

// backupRequired are the streams that every archive holds.
func backupRequired() []string {
	return slices.DeleteFunc(slices.Clone(backupOrder), func(s string) bool { return slices.Contains(backupOptional, s) })
}

// archived is an archive under way into an engine.
type archived struct {
	conn *nats.Conn
	// into is the stream that the next chunk belongs to; nil before the first.
	into *restoring
	// missing are the streams that have not come yet.
	missing []string
}

// take takes one entry: the description of a stream, which ends the one before, or a chunk of the stream that
// was described last.
func (a *archived) take(ctx context.Context, name string, data []byte) (err error) {
	stream, part := path.Split(name)
	stream = strings.TrimSuffix(stream, "/")
	switch {
	case part == entryStream:
		if err := a.into.end(ctx); err != nil {
			return err
		}
		if a.into, err = beginRestore(ctx, a.conn, stream, data); err != nil {
			return fmt.Errorf("restore %s: %w", stream, err)
		}
		a.missing = slices.DeleteFunc(a.missing, func(s string) bool { return s == stream })
		return nil
	case a.into == nil || a.into.stream != stream:
		return fmt.Errorf("%w: it holds %s in the wrong place", ErrBackup, name)
	}
	if err := a.into.chunk(ctx, data); err != nil {
		return fmt.Errorf("restore %s: %w", stream, err)
	}
	return nil
}

// end is the end of the archive, by which every stream has come.
func (a *archived) end(ctx context.Context) error {
	if len(a.missing) > 0 {
		return fmt.Errorf("%w: it lacks %s", ErrBackup, strings.Join(a.missing, ", "))
	}
	return a.into.end(ctx)
}

// readManifest reads the first entry of an archive, and refuses one of another version.
func readManifest(archive *tar.Reader) error {
	head, err := archive.Next()
	if err != nil || head.Name != entryManifest {
		return fmt.Errorf("%w: it is no backup of Posthorn", ErrBackup)
	}
	var m manifest
	if err := json.NewDecoder(archive).Decode(&m); err != nil {
		return fmt.Errorf("%w: its manifest cannot be read: %w", ErrBackup, err)
	}
	if m.Version != backupVersion {
		return fmt.Errorf("%w: it has version %d, this build reads %d", ErrBackup, m.Version, backupVersion)
	}
	return nil
}

// restoring is a stream under way.
type restoring struct {
	conn            *nats.Conn
	stream, deliver string
}

// beginRestore announces a stream.
func beginRestore(ctx context.Context, conn *nats.Conn, stream string, description []byte) (*restoring, error) {
	var s snapshot
	if err := json.Unmarshal(description, &s); err != nil {
		return nil, fmt.Errorf("%w: read description: %w", ErrBackup, err)
	}
	// The limits are those of the volume that it came from; Open sets those of this one.
	if s.Config == nil {
		return nil, fmt.Errorf("%w: the description lacks the configuration", ErrBackup)
	}
	s.Config["max_bytes"] = -1
	var answer struct {
		Error   *apiError `json:"error"`
		Deliver string    `json:"deliver_subject"`
	}
	if err := call(ctx, conn, "$JS.API.STREAM.RESTORE."+stream, s, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("%w: %s", ErrBackup, answer.Error.Description)
	}
	return &restoring{conn, stream, answer.Deliver}, nil
}

// chunk hands over one part of the stream.
func (r *restoring) chunk(ctx context.Context, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	m, err := r.conn.RequestWithContext(ctx, r.deliver, data)
	if err != nil {
		return classify("write chunk", err)
	}
	return refusal(m.Data)
}

// end says that all parts of the stream were handed over, and waits until it is there. Without a stream there
// is nothing to end.
func (r *restoring) end(ctx context.Context) error {
	if r == nil {
		return nil
	}
	if err := r.chunk(ctx, nil); err != nil {
		return fmt.Errorf("restore %s: %w", r.stream, err)
	}
	return nil
}

// refusal is the error in an answer, if there is one.
func refusal(answer []byte) error {
	if len(answer) == 0 {
		return nil
	}
	var a struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return fmt.Errorf("read answer of engine: %w", err)
	}
	if a.Error != nil {
		return fmt.Errorf("%w: %s", ErrBackup, a.Error.Description)
	}
	return nil
}
