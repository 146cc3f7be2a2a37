// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
)

// dataOf is an event of data that is not JSON.
func dataOf(contentType, data string) *Event {
	return &Event{Namespace: "ns", ID: "1", Source: "/s", Type: "t", DataContentType: contentType, Data: []byte(data)}
}

// forms are events of every form that come out as they came in, by name. They have every content
// type and every type of extension that the conformance suite of CloudEvents sends.
func forms() map[string]*Event {
	return map[string]*Event{
		"everything":            sample(),
		"required attributes":   {Namespace: "ns", ID: "1", Source: "/s", Type: "t"},
		"implied JSON":          dataOf("", `{"a": 1}`),
		"a JSON string":         dataOf("application/json; charset=utf-8", `"Grüße, 🌎!"`),
		"a JSON list":           dataOf("application/json", `["a","🌎"]`),
		"JSON null":             dataOf("text/json", `null`),
		"JSON by suffix":        dataOf("application/problem+json", `{}`),
		"text":                  dataOf("text/plain; charset=us-ascii", "Good day!\n"),
		"text with escapes":     dataOf("text/csv", "a\t\"b\"\\\r\n\x00\x7f\u2028é"),
		"text that is not UTF8": dataOf("text/plain", "\xff\xfe"),
		"XML":                   dataOf("application/xml; charset=utf-8", `<msg a="1">Grüße, 🌎!</msg>`),
		"XML by suffix":         dataOf("image/svg+xml", `<svg/>`),
		"bytes":                 dataOf("application/octet-stream", "\x00\x01\xff"),
		"bytes that are text":   dataOf("application/protobuf", "plain"),
		"empty bytes":           dataOf("application/octet-stream", ""),
		"content type alone":    {ID: "1", Source: "/s", Type: "t", DataContentType: "application/json", Namespace: "ns"},
		"a zone and no nanos":   {ID: "1", Source: "//h/p?q#f", Type: "t", Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Namespace: "ns"},
		"extension types": {ID: "1", Source: "#fragment", Type: "t", Namespace: "ns", Extensions: map[string]any{
			"i": int32(10), "b": true, "s": "text", "uri": "https://example.com", "ref": "//authority/path", "when": "2026-03-31T15:12:00Z", "bin": "TWE=",
		}},
		"attributes to escape": {ID: "a\"b\\c", Source: "/é%20🌎", Type: "t<>&", Subject: "  two  ", Namespace: "ns", Extensions: map[string]any{"x": "\"", "y": ""}},
	}
}

func TestAppendStructured_ComesOutAsItCameIn(t *testing.T) {
	t.Parallel()
	for name, want := range forms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := want.Validate(); err != nil {
				t.Fatal(err)
			}
			body := want.AppendStructured([]byte("before"))[len("before"):]
			if !json.Valid(body) {
				t.Fatalf("not JSON: %s", body)
			}
			got, err := ParseStructured(want.Namespace, body)
			if err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			got.Origin = want.Origin // never sent out
			wantEvent(t, got, want)
		})
	}
}

func TestBinary_ComesOutAsItCameIn(t *testing.T) {
	t.Parallel()
	for name, want := range forms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			want.BinaryHeader(h)
			for key, values := range h {
				for i := range len(values[0]) {
					if c := values[0][i]; c < ' ' || c > '~' {
						t.Errorf("%s: %q is not printable ASCII", key, values[0])
					}
				}
			}
			got, err := ParseBinary(want.Namespace, h, want.Data)
			if err != nil {
				t.Fatal(err)
			}
			wantEvent(t, got, asHeaders(want))
		})
	}
}

// asHeaders is what remains of an event in the binary mode: extensions are strings, empty ones are
// not sent, empty data is none, and the content type that was implied is named.
func asHeaders(e *Event) *Event {
	want := *e
	want.Origin = ""
	want.Extensions = nil
	for name, value := range e.Extensions {
		if s := canonicalString(value); s != "" {
			if want.Extensions == nil {
				want.Extensions = map[string]any{}
			}
			want.Extensions[name] = s
		}
	}
	if want.DataContentType == "" && want.Data != nil {
		want.DataContentType = "application/json"
	}
	if len(want.Data) == 0 {
		want.Data = nil
	}
	return &want
}

// TestAppendStructured_IsReadByTheSDK holds our JSON against another reader of CloudEvents. It knows
// no media types with the suffix +json, which the specification counts as JSON.
func TestAppendStructured_IsReadByTheSDK(t *testing.T) {
	t.Parallel()
	readable := forms()
	delete(readable, "JSON by suffix")
	for name, e := range readable {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got cloudevents.Event
			if err := json.Unmarshal(e.AppendStructured(nil), &got); err != nil {
				t.Fatal(err)
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
			seen := [...]string{got.ID(), got.Source(), got.Type(), got.Subject(), got.DataContentType(), got.DataSchema(), string(got.Data())}
			want := [...]string{e.ID, e.Source, e.Type, e.Subject, e.DataContentType, e.DataSchema, string(e.Data)}
			if name == "attributes to escape" {
				seen[1], want[1] = "", "" // its URLs re-encode what was written otherwise
			}
			if seen != want {
				t.Errorf("the SDK reads %q, want %q", seen, want)
			}
			if !got.Time().Equal(e.Time) {
				t.Errorf("the SDK reads the time %s, want %s", got.Time(), e.Time)
			}
		})
	}
}

func TestAppendStructured_Golden(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "structured.json")
	e := sample()
	e.Extensions["blob"] = []byte{1, 2}
	got := e.AppendStructured(nil)
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("structured form (-want +got):\n%s", diff)
	}
}

func TestAppendJSONString_IsAlwaysValid(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"plain":                    {"abc", `"abc"`},
		"empty":                    {"", `""`},
		"quotes":                   {`a"b\c`, `"a\"b\\c"`},
		"short escapes":            {"\n\r\t", `"\n\r\t"`},
		"other controls":           {"\x00\x1f", `"\u0000\u001f"`},
		"characters":               {"é🌎\u2028", "\"é🌎\u2028\""},
		"bytes that are not UTF-8": {"a\xffb\xc3", "\"a\uFFFDb\uFFFD\""},
		"U+FFFD itself":            {"\uFFFD", "\"\uFFFD\""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := string(AppendJSONString(nil, tc.in)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestEvent_IsJSON(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]bool{
		"": true, "application/json": true, "Application/JSON ; charset=utf-8": true, "text/json": true,
		"application/vnd.github+json": true, "application/cloudevents+json; charset=utf-8": true,
		"text/plain": false, "application/jsonl": false, "application/json-seq": false, "application/xml": false, "json": false,
	} {
		if got := (&Event{DataContentType: contentType}).IsJSON(); got != want {
			t.Errorf("%q is JSON: %t, want %t", contentType, got, want)
		}
	}
}
