// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestDebugOptions_ServeNothingByDefault(t *testing.T) {
	t.Parallel()
	var o DebugOptions
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	o.BindFlags(fs)
	if err := fs.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if o.Address != "0" {
		t.Errorf("the default address is %q, want 0", o.Address)
	}
	if err := o.Serve(); err != nil {
		t.Error(err)
	}
}

func TestDebugOptions_TellOfAnAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := (DebugOptions{Address: taken.Addr().String()}).Serve(); err == nil {
		t.Error("there was no error")
	}
}

func TestDebugHandler_ShowsProfilesAndFreesMemory(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, path string
		want         int
	}{
		"the list of profiles": {http.MethodGet, "/debug/pprof/", http.StatusOK},
		"the heap":             {http.MethodGet, "/debug/pprof/heap", http.StatusOK},
		"memory is freed":      {http.MethodPost, "/debug/free", http.StatusNoContent},
		"not by looking":       {http.MethodGet, "/debug/free", http.StatusMethodNotAllowed},
		"nothing else":         {http.MethodGet, "/", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := httptest.NewRecorder()
			debugHandler().ServeHTTP(answer, httptest.NewRequest(tc.method, tc.path, nil))
			if answer.Code != tc.want {
				t.Errorf("%s %s answered %d, want %d", tc.method, tc.path, answer.Code, tc.want)
			}
		})
	}
}
