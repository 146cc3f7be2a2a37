// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often handshakes look whether the files have changed.
const certificateCheck = 10 * time.Second

// CertificateReloader serves a TLS certificate from files and reads them again when they change,
// without a restart and without a goroutine: a handshake looks at most every 10 s. It is safe for
// concurrent use.
type CertificateReloader struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu          sync.Mutex
	certificate *tls.Certificate
	stamp       fileStamps
	checked     time.Time
}

// fileStamps tells versions of the two files apart. Secrets that are mounted change by a symbolic
// link, which os.Stat follows.
type fileStamps [2]fileStamp

type fileStamp struct {
	modified time.Time
	size     int64
}

// NewCertificateReloader reads the files for the first time. A nil logger means slog.Default.
func NewCertificateReloader(certFile, keyFile string, logger *slog.Logger) (*CertificateReloader, error) {
	if logger == nil {
		logger = slog.Default()
	}
	c := &CertificateReloader{certFile: certFile, keyFile: keyFile, logger: logger}
	stamp, err := c.stat()
	if err != nil {
		return nil, fmt.Errorf("read TLS certificate: %w", err)
	}
	if err := c.load(stamp); err != nil {
		return nil, err
	}
	c.checked = time.Now()
	return c, nil
}

// GetCertificate is a function for tls.Config. While the files cannot be read, or do not belong
// together because only one was replaced yet, it serves the certificate that it has.
func (c *CertificateReloader) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		c.refresh()
	}
	return c.certificate, nil
}

// refresh reads the files again if they changed; the caller holds the lock.
func (c *CertificateReloader) refresh() {
	stamp, err := c.stat()
	if err == nil && stamp == c.stamp {
		return
	}
	if err == nil {
		err = c.load(stamp)
	}
	if err != nil {
		c.logger.Warn("Kept the TLS certificate because the new one could not be read", "reason", err)
		return
	}
	c.logger.Info("Reloaded the TLS certificate")
}

// load reads the files; the caller holds the lock or has the only reference.
func (c *CertificateReloader) load(stamp fileStamps) error {
	certificate, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read TLS certificate: %w", err)
	}
	c.certificate, c.stamp = &certificate, stamp
	return nil
}

func (c *CertificateReloader) stat() (fileStamps, error) {
	var stamps fileStamps
	for i, name := range [...]string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return fileStamps{}, err
		}
		stamps[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}
