// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// Log is what is needed of the event log.
type Log interface {
	PutObjects(ctx context.Context, values map[eventlog.ObjectKey][]byte) error
	RemoveObjects(ctx context.Context, keys []eventlog.ObjectKey) error
	Objects(ctx context.Context, watch string, handle func(uid string, data []byte)) error
	Object(ctx context.Context, k eventlog.ObjectKey) ([]byte, error)
	PutCheckpoint(ctx context.Context, watch string, data []byte) error
	Checkpoint(ctx context.Context, watch string) ([]byte, error)
	Checkpoints(ctx context.Context) (map[string][]byte, error)
	RemoveWatch(ctx context.Context, watch string) error
	LastEvent(ctx context.Context) (uint64, error)
	EventsBehind(ctx context.Context, after uint64, handle func(eventlog.Message)) error
}

// Reporter takes what is to be shown in the status of the sources. Its methods return at once.
type Reporter interface {
	UpdateSource(f status.SourceFacts)
	ForgetSource(name delivery.Name)
}

// Options configure a Runner.
type Options struct {
	// Config says how the API server is reached. Required.
	Config *rest.Config
	// Log holds what is remembered. Required.
	Log Log
	// Accept makes events durable, each once, as ingest does. An error whose problem has the status 429 says that
	// the namespace holds its share of the storage. Required.
	Accept func(ctx context.Context, namespace string, events []*event.Event) error
	// Reporter takes what the status of the sources is to say. Required.
	Reporter Reporter
	// Namespaces are those that the dispatcher is restricted to: each has watches of its own. None means all.
	Namespaces []string
	// Hold is how long a source that was deleted may come back and go on; 0 means 10 minutes.
	Hold time.Duration
	// StaleAfter is how long a watch may show neither a change nor a bookmark, which the API server sends once a minute
	// or so, before it is replaced; 0 means 2 minutes.
	StaleAfter time.Duration
	// Logger takes what happens; nil means slog.Default.
	Logger *slog.Logger
	// Registerer takes the metrics; nil means none are registered.
	Registerer prometheus.Registerer
}

// validate fills what may be left out and refuses what may not.
func (o *Options) validate() error {
	if o.Config == nil || o.Log == nil || o.Accept == nil || o.Reporter == nil {
		return errors.New("configure sources: Config, Log, Accept and Reporter are required")
	}
	if o.Hold == 0 {
		o.Hold = 10 * time.Minute
	}
	if o.StaleAfter == 0 {
		o.StaleAfter = 2 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// Invalid is a source whose spec cannot be compiled.
type Invalid struct {
	Name       delivery.Name
	UID        string
	Generation int64
	// Message says what is wrong and what to write instead.
	Message string
}

// Update is all the sources that there are.
type Update struct {
	Sources []*compile.EventSource
	Invalid []Invalid
	// Changed names the sources of whose events somebody reads which paths have changed.
	Changed map[delivery.Name]bool
}
