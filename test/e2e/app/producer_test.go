// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestProducer_SendsAgainWithTheSameIDUntilAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var posted []string
		p := newProducer(func(_ context.Context, id string, body []byte) answer {
			mu.Lock()
			defer mu.Unlock()
			posted = append(posted, id)
			if !bytes.Contains(body, []byte(`"id":"`+id+`"`)) {
				t.Errorf("the body of %s is %s", id, body)
			}
			if len(posted) < 3 {
				return answer{code: "503", problem: "starting"}
			}
			return answer{code: "202", accepted: true}
		}, "run", "com.example.order.created", &bytes.Buffer{})
		p.setInterval(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		p.run(ctx)
		synctest.Wait()

		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff([]string{"run-1", "run-1", "run-1", "run-2"}, posted); diff != "" {
			t.Errorf("posted (-want +got):\n%s", diff)
		}
		want := produced{
			Accepted: []string{"run-1", "run-2"}, Resent: 2,
			Answers: map[string]int{"503": 2, "202": 2}, Problem: "starting",
		}
		if diff := cmp.Diff(want, p.produced); diff != "" {
			t.Errorf("produced (-want +got):\n%s", diff)
		}
	})
}

func TestProducer_PausesWhileTheIntervalIsZero(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProducer(func(context.Context, string, []byte) answer {
			return answer{code: "202", accepted: true}
		}, "run", "com.example.order.created", io.Discard)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go p.run(ctx)
		accepted := func() int {
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.produced.Accepted)
		}

		time.Sleep(time.Minute)
		if got := accepted(); got != 0 {
			t.Errorf("%d events before it was told to start", got)
		}
		p.setInterval(100 * time.Millisecond)
		time.Sleep(time.Second + time.Millisecond)
		if got := accepted(); got != 10 {
			t.Errorf("%d events in a second of 100 ms each", got)
		}
		p.setInterval(0)
		time.Sleep(time.Minute)
		if got := accepted(); got != 10 {
			t.Errorf("%d events after a pause", got)
		}
	})
}

func TestPoster_ShowsItsTokenToWhomItsFileTrusts(t *testing.T) {
	t.Parallel()
	var authorization string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	directory := t.TempDir()
	p := &poster{url: server.URL, tokenFile: filepath.Join(directory, "token"), caFile: filepath.Join(directory, "ca.crt")}
	write(t, p.tokenFile, []byte("t0\n"))

	write(t, p.caFile, []byte("no certificate"))
	if got := p.post(t.Context(), "1", []byte("{}")); got.accepted || got.problem == "" {
		t.Errorf("without an authority: got %+v", got)
	}
	write(t, p.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	if got := p.post(t.Context(), "1", []byte("{}")); !got.accepted || got.code != "202" {
		t.Errorf("with the authority: got %+v", got)
	}
	if authorization != "Bearer t0" {
		t.Errorf("authorization: got %q", authorization)
	}
}

func TestProducer_TellsAndIsTold(t *testing.T) {
	t.Parallel()
	p := newProducer(nil, "run", "com.example.order.created", io.Discard)
	for every, want := range map[string]int{"20ms": http.StatusOK, "soon": http.StatusBadRequest, "-1s": http.StatusBadRequest} {
		recorder := httptest.NewRecorder()
		p.handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/control/interval?every="+every, nil))
		if recorder.Code != want {
			t.Errorf("%s was answered %d", every, recorder.Code)
		}
	}
	if p.interval != 20*time.Millisecond {
		t.Errorf("interval: got %s", p.interval)
	}
	recorder := httptest.NewRecorder()
	p.handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/produced", nil))
	var got produced
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil || got.Accepted == nil {
		t.Errorf("told %s: %v", recorder.Body, err)
	}
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
