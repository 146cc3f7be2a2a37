// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package guide

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// stopDelay is how long a block that is broken off may take to end.
const stopDelay = 5 * time.Second

// prologue makes one shell of many: it restores what the block before has set, and stores it anew at the end. All
// variables are exported, which a reader's shell would not do and which makes no difference to the commands.
const prologue = `set -euo pipefail
if [ -s "$GUIDE_STATE" ]; then . "$GUIDE_STATE"; fi
set -a
trap 'status=$?; export -p >"$GUIDE_STATE"; exit $status' EXIT
`

// Session runs blocks one after the other in bash, as if they were typed into one shell, except that a block ends
// with the first command that fails.
type Session struct {
	directory string
	state     string
	env       []string
	out       io.Writer
}

// NewSession returns a session that starts in the directory, with the variables beside those of this process. What
// the commands print goes to out, too. The temporary directory is the caller's to remove.
func NewSession(directory, temporary string, variables map[string]string, out io.Writer) *Session {
	s := &Session{directory: directory, state: filepath.Join(temporary, "state"), out: out}
	s.env = append(os.Environ(), "GUIDE_STATE="+s.state)
	for name, value := range variables {
		s.env = append(s.env, name+"="+value)
	}
	return s
}

// Run runs a block and returns what it printed to standard output. The error of a block that fails holds what it
// printed to standard error.
func (s *Session) Run(ctx context.Context, block Block) (string, error) {
	command := exec.CommandContext(ctx, "bash", "-c", prologue+block.Script)
	command.Dir, command.Env, command.WaitDelay = s.directory, s.env, stopDelay
	var stdout, stderr bytes.Buffer
	command.Stdout = io.MultiWriter(&stdout, s.out)
	command.Stderr = io.MultiWriter(&stderr, s.out)
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("run block of line %d: %w\n%s", block.Line, err, &stderr)
	}
	return stdout.String(), nil
}
