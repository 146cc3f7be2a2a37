// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkTaken holds an event that was parsed to what all later stages rely on.
func checkTaken(t *testing.T, e *Event) {
	t.Helper()
	if err := e.Validate(); err != nil {
		t.Fatalf("parsed an event that is not valid: %v", err)
	}
	body := e.AppendStructured(nil)
	if !json.Valid(body) {
		t.Fatalf("not JSON: %q", body)
	}
	again, err := parseObject(e.Namespace, body)
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if diff := cmp.Diff(trimmed(e), trimmed(again)); diff != "" {
		t.Fatalf("structured form (-in +out):\n%s", diff)
	}
	stored, err := DecodeRecord(e.AppendRecord(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, stored); diff != "" {
		t.Fatalf("record (-in +out):\n%s", diff)
	}
}

// trimmed is the event without the space around JSON data, which an envelope does not keep.
func trimmed(e *Event) *Event {
	c := *e
	if c.Data != nil && c.IsJSON() {
		c.Data = bytes.Trim(c.Data, " \t\r\n")
	}
	return &c
}

func FuzzParseStructured(f *testing.F) {
	for _, e := range forms() {
		f.Add(e.AppendStructured(nil))
	}
	f.Add([]byte(`{"specversion":"1.0","id":"\ud83d\ude00","source":"/s","type":"t","data_base64":"AA=="}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, err := ParseStructured("ns", body); err == nil {
			checkTaken(t, e)
		}
	})
}

func FuzzParseBatch(f *testing.F) {
	f.Add([]byte(batchOf(3)))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := ParseBatch("ns", body)
		if err != nil {
			return
		}
		for _, e := range events {
			checkTaken(t, e)
		}
	})
}

func FuzzParseBinary(f *testing.F) {
	f.Add("1", "/s", "t", "Euro%20%E2%82%AC", "Ext", `"a\"b"`, "text/plain", []byte("x"))
	f.Add("1", "/s", "t", "", "X-Y", "%", "", []byte("{}"))
	f.Fuzz(func(t *testing.T, id, source, eventType, subject, name, value, contentType string, body []byte) {
		h := http.Header{
			"Ce-Specversion": {"1.0"}, "Ce-Id": {id}, "Ce-Source": {source}, "Ce-Type": {eventType}, "Ce-Subject": {subject},
			"Ce-" + name: {value}, "Content-Type": {contentType},
		}
		e, err := ParseBinary("ns", h, body)
		if err != nil {
			return
		}
		checkTaken(t, e)
		out := http.Header{}
		e.BinaryHeader(out)
		again, err := ParseBinary("ns", out, e.Data)
		if err != nil {
			t.Fatalf("%v in %v", err, out)
		}
		if diff := cmp.Diff(asHeaders(e), again); diff != "" {
			t.Fatalf("binary form (-in +out):\n%s", diff)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	for _, e := range forms() {
		f.Add(e.AppendRecord(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeRecord(b)
		if err != nil {
			return
		}
		again, err := DecodeRecord(e.AppendRecord(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatalf("record (-in +out):\n%s", diff)
		}
	})
}
