// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// headers makes headers of the required attributes and the pairs.
func headers(pairs ...string) http.Header {
	h := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"}}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestParseBinary_ReadsEveryForm(t *testing.T) {
	t.Parallel()
	base := Event{Namespace: "ns", ID: "1", Source: "/s", Type: "t"}
	with := func(change func(*Event)) *Event {
		e := base
		change(&e)
		return &e
	}
	tests := map[string]struct {
		header http.Header
		body   string
		want   *Event
	}{
		"the required attributes are enough": {
			header: headers(),
			want:   &base,
		},
		"all attributes": {
			header: headers("Ce-Subject", "orders/17", "Ce-Time", "2026-11-23T10:00:00.5Z", "Ce-Dataschema", "https://example.com/s",
				"Ce-Ext", "10", "Content-Type", "application/json; charset=utf-8", "Accept", "*/*"),
			body: "{\"a\":1}\n",
			want: with(func(e *Event) {
				e.Subject, e.DataSchema, e.DataContentType = "orders/17", "https://example.com/s", "application/json; charset=utf-8"
				e.Time = time.Date(2026, 11, 23, 10, 0, 0, 5e8, time.UTC)
				e.Extensions = map[string]any{"ext": "10"}
				e.Data = []byte("{\"a\":1}\n")
			}),
		},
		"values are percent-decoded once": {
			header: headers("Ce-Subject", "Euro%20%E2%82%AC%20%F0%9F%98%80 %2541%22"),
			want:   with(func(e *Event) { e.Subject = `Euro € 😀 %41"` }),
		},
		"digits may be of either case": {
			header: headers("Ce-Subject", "%e2%82%aC"),
			want:   with(func(e *Event) { e.Subject = "€" }),
		},
		"a percent sign that encodes nothing stands for itself": {
			header: headers("Ce-Subject", "100% %zz %4"),
			want:   with(func(e *Event) { e.Subject = "100% %zz %4" }),
		},
		"quoted values of older producers are unquoted": {
			header: headers("Ce-Subject", `"a \"b\" \\ %20c"`),
			want:   with(func(e *Event) { e.Subject = `a "b" \  c` }),
		},
		"UTF-8 that is not encoded is taken": {
			header: headers("Ce-Subject", "Zürich"),
			want:   with(func(e *Event) { e.Subject = "Zürich" }),
		},
		"an empty extension is one": {
			header: headers("Ce-Ext", ""),
			want:   with(func(e *Event) { e.Extensions = map[string]any{"ext": ""} }),
		},
		"data without a content type is JSON where it is": {
			header: headers(),
			body:   `[1]`,
			want:   with(func(e *Event) { e.Data = []byte(`[1]`) }),
		},
		"data without a content type is bytes where it is not JSON": {
			header: headers(),
			body:   "hello",
			want:   with(func(e *Event) { e.Data = []byte("hello"); e.DataContentType = "application/octet-stream" }),
		},
		"a content type without data is kept": {
			header: headers("Content-Type", "application/json"),
			want:   with(func(e *Event) { e.DataContentType = "application/json" }),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseBinary("ns", tc.header, []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			wantEvent(t, got, tc.want)
		})
	}
}

func TestParseBinary_Refuses(t *testing.T) {
	t.Parallel()
	without := func(key string) http.Header {
		h := headers()
		h.Del(key)
		return h
	}
	twice := func(key string) http.Header {
		h := headers()
		h[key] = []string{"1", "1"}
		return h
	}
	tests := map[string]struct {
		header    http.Header
		body      string
		kind      ErrorKind // Malformed where empty
		attribute string
	}{
		"no specversion":                    {header: without("Ce-Specversion"), attribute: "specversion"},
		"another specversion":               {header: headers("Ce-Specversion", "0.3"), attribute: "specversion"},
		"no id":                             {header: without("Ce-Id"), attribute: "id"},
		"no source":                         {header: without("Ce-Source"), attribute: "source"},
		"no type":                           {header: without("Ce-Type"), attribute: "type"},
		"an empty subject":                  {header: headers("Ce-Subject", ""), attribute: "subject"},
		"an attribute twice":                {header: twice("Ce-Id"), attribute: "id"},
		"an attribute in two spellings":     {header: http.Header{"ce-id": {"1"}, "Ce-Id": {"2"}, "Ce-Specversion": {"1.0"}}, attribute: "id"},
		"an extension twice":                {header: twice("Ce-Ext"), attribute: "ext"},
		"two content types":                 {header: twice("Content-Type"), attribute: "datacontenttype"},
		"the content type as an attribute":  {header: headers("Ce-Datacontenttype", "text/plain"), attribute: "datacontenttype"},
		"data as an attribute":              {header: headers("Ce-Data", "x"), attribute: "data"},
		"a name with punctuation":           {header: headers("Ce-My-Ext", "x"), attribute: "my-ext"},
		"a time that is none":               {header: headers("Ce-Time", "noon"), attribute: "time"},
		"a control character by encoding":   {header: headers("Ce-Id", "a%0D%0Ab"), attribute: "id"},
		"bytes that are not UTF-8":          {header: headers("Ce-Subject", "%FF"), attribute: "subject"},
		"a quote that is not closed":        {header: headers("Ce-Subject", `"a`), attribute: "subject"},
		"a quote that closes too early":     {header: headers("Ce-Subject", `"a"b"`), attribute: "subject"},
		"a quote that is closed by nothing": {header: headers("Ce-Subject", `"a\"`), attribute: "subject"},
		"data that is not the JSON it says": {header: headers("Content-Type", "application/json"), body: `{"a":`, attribute: "data"},
		"JSON that is not UTF-8":            {header: headers("Content-Type", "application/json"), body: "\"\xff\"", attribute: "data"},
		"data deeper than allowed":          {header: headers("Content-Type", "application/json"), body: nested(MaxDepth + 1), attribute: "data"},
		"deep data without a content type":  {header: headers(), body: nested(MaxDepth + 1), attribute: "data"},
		"a type of Posthorn's own":          {kind: Reserved, header: headers("Ce-Type", "dev.posthorn.x"), attribute: "type"},
		"such a type, encoded":              {kind: Reserved, header: headers("Ce-Type", "dev%2Eposthorn.x"), attribute: "type"},
		"the origin":                        {kind: Reserved, header: headers("Ce-Posthornorigin", "x"), attribute: "posthornorigin"},
		"attributes over the limit":         {kind: TooLarge, header: headers("Ce-Ext", strings.Repeat("x", MaxAttributeBytes))},
		"data over the limit":               {kind: TooLarge, header: headers("Content-Type", "text/plain"), body: strings.Repeat("x", MaxEventBytes+1), attribute: "data"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := tc.kind
			if kind == "" {
				kind = Malformed
			}
			_, err := ParseBinary("ns", tc.header, []byte(tc.body))
			wantRefusal(t, err, kind, tc.attribute, -1)
		})
	}
}

func TestParseBinary_TakesDataUpToTheLimit(t *testing.T) {
	t.Parallel()
	if _, err := ParseBinary("ns", headers("Content-Type", "text/plain"), make([]byte, MaxEventBytes)); err != nil {
		t.Error(err)
	}
}

func TestEvent_BinaryHeader(t *testing.T) {
	t.Parallel()
	e := sample()
	e.Subject = `Euro € "100%" 😀`
	e.Extensions["blob"] = []byte{1, 2, 255}
	h := http.Header{"X-Other": {"kept"}}
	e.BinaryHeader(h)
	want := map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "order-17", "Ce-Source": "https://shop.example.com/orders",
		"Ce-Type": "com.example.order.created", "Ce-Subject": "Euro%20%E2%82%AC%20%22100%25%22%20%F0%9F%98%80",
		"Ce-Time": "2026-11-23T10:30:00.123456789Z", "Ce-Dataschema": "https://example.com/schemas/order",
		"Ce-Attempt": "-3", "Ce-Dryrun": "true", "Ce-Blob": "AQL/",
		"Ce-Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"Content-Type":   "application/json", "X-Other": "kept",
	}
	for key, value := range want {
		if got := h[key]; len(got) != 1 || got[0] != value {
			t.Errorf("%s = %q, want %q", key, got, value)
		}
	}
	if len(h) != len(want) {
		t.Errorf("headers = %v, want no others than %d", h, len(want))
	}
}

func TestEvent_BinaryHeaderNamesTheContentTypeThatDataImplies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		event Event
		want  string
	}{
		"JSON where there is data and no type": {event: Event{Data: []byte("1")}, want: "application/json"},
		"none where there is neither":          {event: Event{}, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			tc.event.BinaryHeader(h)
			if got := h.Get("Content-Type"); got != tc.want {
				t.Errorf("Content-Type = %q, want %q", got, tc.want)
			}
		})
	}
}
