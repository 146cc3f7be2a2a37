// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockFile is locked by the process that has the event log open. The file itself means nothing and stays.
const lockFile = "lock"

// lockRetry is how often a process looks whether another has let the event log go.
const lockRetry = 100 * time.Millisecond

// lock makes the caller the only one to have the files in a directory open: the engine does not notice another, and two
// would destroy what they hold. It waits for a process that has them, and takes over as soon as that has ended, however it
// ends. Closing the lock lets go.
func lock(ctx context.Context, dir string, logger *slog.Logger) (*flock.Flock, error) {
	l := flock.New(filepath.Join(dir, lockFile))
	for waits := false; ; waits = true {
		locked, err := l.TryLock()
		switch {
		case err != nil:
			return nil, fmt.Errorf("lock event log: %w", err)
		case locked:
			if waits {
				logger.Info("Took over the event log", "directory", dir)
			}
			return l, nil
		case !waits:
			logger.Warn("Waits for the event log, which another process has open", "directory", dir)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the process that has the event log in %s open: %w", dir, ctx.Err())
		case <-time.After(lockRetry):
		}
	}
}
