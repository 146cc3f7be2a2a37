// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// commands are what the binary does beside running a dispatcher.
var commands = map[string]func(ctx context.Context, dir string, args []string) error{
	"backup":  backup,
	"restore": restore,
}

// Command does what the arguments behind the binary's flags say: backup or restore. Without any it reports
// false.
func Command(ctx context.Context, args []string) (done bool, err error) {
	if len(args) == 0 {
		return false, nil
	}
	run, ok := commands[args[0]]
	if !ok {
		return true, fmt.Errorf("there is no command %q: it is backup, restore, or none", args[0])
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	dir := fs.String("data-dir", "", "`directory` of the event log; required")
	if err := fs.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return true, nil
	} else if err != nil {
		return true, err
	}
	if *dir == "" {
		return true, errors.New("the place of the event log is not known: set --data-dir")
	}
	return true, run(ctx, *dir, fs.Args())
}

// backup has the dispatcher that runs on the directory make a backup, and writes it to the file that is named,
// or else to the standard output.
func backup(ctx context.Context, dir string, args []string) error {
	socket := filepath.Join(dir, backupSocket)
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://dispatcher/", http.NoBody)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("reach the dispatcher that runs on %s: %w", dir, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		return fmt.Errorf("make backup: %s", said)
	}
	if len(args) == 0 {
		return receive(os.Stdout, answer.Body)
	}
	return receiveFile(args[0], answer.Body)
}

// receive writes a backup as it comes.
func receive(to io.Writer, from io.Reader) error {
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("receive backup, which is not whole: %w", err)
	}
	return nil
}

// receiveFile writes a backup to a file, which is there only when it is whole.
func receiveFile(path string, from io.Reader) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-")
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	err = receive(file, from)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// restore makes a directory's event log from a backup: the file that is named, or else the standard input. No
// dispatcher runs on the directory.
func restore(ctx context.Context, dir string, args []string) error {
	from := os.Stdin
	if len(args) > 0 {
		file, err := os.Open(args[0])
		if err != nil {
			return fmt.Errorf("open backup: %w", err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		from = file
	}
	if err := eventlog.Restore(ctx, eventlog.Options{Dir: dir, SyncAlways: true}, from); err != nil {
		return err
	}
	slog.Info("Restored event log", "directory", dir)
	return nil
}
