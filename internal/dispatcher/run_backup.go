// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// backupSocket is the socket in the data directory where a running dispatcher gives backups. Whoever can open
// it can read the files beside it, so that it opens no door.
const backupSocket = "backup.sock"

// openBackups gives backups at the socket until ctx ends. A socket that cannot be opened, since the path is too
// long or the file system has none, is no reason not to deliver.
func (p *process) openBackups(ctx context.Context) error {
	path := filepath.Join(p.o.DataDir, backupSocket)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) { // that of a run that was killed
		return fmt.Errorf("remove socket of an earlier run: %w", err)
	}
	socket, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		p.o.Logger.Warn("Gives no backups: failed to open their socket", "error", err)
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("close socket to others: %w", err), socket.Close())
	}
	server := &http.Server{Handler: http.HandlerFunc(p.giveBackup), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	p.start(&p.probes, func() error {
		if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve backups: %w", err)
		}
		return nil
	})
	return nil
}

// giveBackup answers with a backup. One that fails is broken off, so that nobody takes it for whole.
func (p *process) giveBackup(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	counted := &counter{w: w}
	err := p.core.Backup(r.Context(), counted)
	switch {
	case err == nil:
		p.o.Logger.Info("Made backup", "bytes", counted.n, "duration", time.Since(began))
	case counted.n == 0:
		say(w, http.StatusServiceUnavailable, err.Error())
	default:
		p.o.Logger.Warn("Failed to make backup", "error", err)
		panic(http.ErrAbortHandler)
	}
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
