// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/ingest"
)

// nullLog stores nothing, so that the benchmark shows the handler's own cost.
type nullLog struct{}

func (nullLog) Append(_ context.Context, _ string, records [][]byte) ([]uint64, error) {
	seqs := make([]uint64, len(records))
	for i := range seqs {
		seqs[i] = 1
	}
	return seqs, nil
}

func (nullLog) RecentEvents(context.Context, uint64, time.Time, int, func(eventlog.Message)) (uint64, error) {
	return 0, nil
}

func (nullLog) GetKey(context.Context, string) ([]byte, bool, error) { return nil, false, nil }

func (nullLog) PutKey(context.Context, string, []byte) error { return nil }

func (nullLog) EvictedKeys() uint64 { return 0 }

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w *nowhere) WriteHeader(int)             {}

// eventOf512 returns a structured event of 512 bytes with that number as its id.
func eventOf512(n int64) []byte {
	e := fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"/shop","type":"com.example.order.placed","data":{"text":""}}`, n)
	return bytes.Replace(e, []byte(`""`), []byte(`"`+strings.Repeat("x", 512-len(e))+`"`), 1)
}

// BenchmarkHandler measures the handler without a socket and without a log.
func BenchmarkHandler(b *testing.B) {
	h := newHandler(b, ingest.Options{Log: nullLog{}, Access: guard{"system:serviceaccount:team-a:shop"}})
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, bytes.NewReader(eventOf512(n.Add(1))))
			r.Header = http.Header{"Content-Type": {structured}, "Authorization": {"Bearer good"}}
			h.ServeHTTP(&nowhere{http.Header{}}, r)
		}
	})
}

// BenchmarkServer measures 32 clients over loopback, with the real log.
func BenchmarkServer(b *testing.B) {
	h := newHandler(b, ingest.Options{Access: guard{"system:serviceaccount:team-a:shop"}})
	s := httptest.NewServer(h)
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer client.CloseIdleConnections()
	var n atomic.Int64
	b.SetParallelism(16) // times GOMAXPROCS, 2 on the machine that the numbers are for
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.URL+path, bytes.NewReader(eventOf512(n.Add(1))))
			if err != nil {
				b.Fatal(err)
			}
			r.Header = http.Header{"Content-Type": {structured}, "Authorization": {"Bearer good"}}
			answer, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			_, err = io.Copy(io.Discard, answer.Body) // or the connection is not used again
			_ = answer.Body.Close()
			if err != nil {
				b.Fatal(err)
			}
			if answer.StatusCode != http.StatusAccepted {
				b.Fatalf("status %d", answer.StatusCode)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
