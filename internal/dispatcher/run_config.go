// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"github.com/posthorn-dev/posthorn/internal/config"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

// logOptions are those of the event log.
func logOptions(o *RunOptions, platform *config.Config) eventlog.Options {
	return eventlog.Options{
		Dir:           o.DataDir,
		MaxBytes:      platform.Storage.MaxBytes,
		SyncAlways:    platform.Storage.SyncAlways,
		DeadLetterAge: platform.Retention.DeadLetters.Age, DeadLetterBytes: platform.Retention.DeadLetters.MaxBytes,
		Logger: o.Logger,
	}
}

// coreOptions are those of the dispatcher on an event log.
func coreOptions(o *RunOptions, platform *config.Config, log *eventlog.Log) Options {
	return Options{
		Log:         log,
		Logger:      o.Logger,
		StopTimeout: o.StopTimeout,
		Retry:       platform.Defaults.Retry(),
		Share: func(namespace string) int64 {
			return platform.Storage.ShareOf(namespace, log.MaxBytes())
		},
		KeepEvents:   Keep(platform.Retention.Events),
		KeepAttempts: Keep(platform.Retention.Attempts),
	}
}

// newSender returns what makes the requests. It may reach nothing but public addresses until the network is
// known.
func newSender(platform config.Egress) *httpsend.Client {
	return httpsend.New(httpsend.Options{
		UserAgent:            "Posthorn/" + telemetry.Version(),
		ProxyFromEnvironment: platform.ProxyFromEnvironment,
	})
}
