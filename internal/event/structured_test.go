// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// core begins an envelope that needs nothing more.
const core = `"specversion":"1.0","id":"1","source":"/s","type":"t"`

func TestParseStructured_ReadsEveryForm(t *testing.T) {
	t.Parallel()
	base := Event{Namespace: "ns", ID: "1", Source: "/s", Type: "t"}
	with := func(change func(*Event)) *Event {
		e := base
		change(&e)
		return &e
	}
	tests := map[string]struct {
		body string
		want *Event
	}{
		"the required attributes are enough": {
			body: `{` + core + `}`,
			want: &base,
		},
		"optional attributes that are null are absent": {
			body: `{` + core + `,"subject":null,"time":null,"datacontenttype":null,"dataschema":null,"ext":null}`,
			want: &base,
		},
		"space around everything is skipped": {
			body: " {\n\t\"specversion\" : \"1.0\" , \"id\" : \"1\",\"source\":\"/s\",\r\n\"type\":\"t\", \"data\" : [ 1 , 2 ] } \n",
			want: with(func(e *Event) { e.Data = []byte(`[ 1 , 2 ]`) }),
		},
		"a time in another zone is the same instant": {
			body: `{` + core + `,"time":"2026-03-01T01:30:00.000000001+02:00"}`,
			want: with(func(e *Event) { e.Time = time.Date(2026, 2, 28, 23, 30, 0, 1, time.UTC) }),
		},
		"extensions keep their types": {
			body: `{` + core + `,"s":"10","empty":"","b":false,"i":-2147483648,"zero":-0}`,
			want: with(func(e *Event) {
				e.Extensions = map[string]any{"s": "10", "empty": "", "b": false, "i": int32(-2147483648), "zero": int32(0)}
			}),
		},
		"escapes are resolved": {
			body: `{"specversion":"1.0","id":"\u00e9\ud83c\udf0e\"","source":"/s","type":"t","subject":"a\/b"}`,
			want: with(func(e *Event) { e.ID = `é🌎"`; e.Subject = "a/b" }),
		},
		"an escaped replacement character is one": {
			body: `{"specversion":"1.0","id":"\ufffd","source":"/s","type":"t"}`,
			want: with(func(e *Event) { e.ID = "\uFFFD" }),
		},
		"data without a content type is JSON, kept verbatim": {
			body: `{` + core + `,"data":{"b":1.50, "a":[true,null]}}`,
			want: with(func(e *Event) { e.Data = []byte(`{"b":1.50, "a":[true,null]}`) }),
		},
		"data that is null is JSON": {
			body: `{` + core + `,"data":null}`,
			want: with(func(e *Event) { e.Data = []byte(`null`) }),
		},
		"data may stand before its content type": {
			body: `{"data":"hello\n",` + core + `,"datacontenttype":"text/plain; charset=utf-8"}`,
			want: with(func(e *Event) { e.DataContentType = "text/plain; charset=utf-8"; e.Data = []byte("hello\n") }),
		},
		"null for data that is not JSON is no data": {
			body: `{` + core + `,"datacontenttype":"text/plain","data":null}`,
			want: with(func(e *Event) { e.DataContentType = "text/plain" }),
		},
		"base64 is decoded": {
			body: `{` + core + `,"datacontenttype":"image/png","data_base64":"AAEC\/w=="}`,
			want: with(func(e *Event) { e.DataContentType = "image/png"; e.Data = []byte{0, 1, 2, 255} }),
		},
		"base64 of JSON is JSON": {
			body: `{` + core + `,"datacontenttype":"application/vnd.x+json","data_base64":"eyJhIjoxfQ=="}`,
			want: with(func(e *Event) { e.DataContentType = "application/vnd.x+json"; e.Data = []byte(`{"a":1}`) }),
		},
		"base64 without a content type gets one where it is not JSON": {
			body: `{` + core + `,"data_base64":"AAEC"}`,
			want: with(func(e *Event) { e.DataContentType = "application/octet-stream"; e.Data = []byte{0, 1, 2} }),
		},
		"data as deep as allowed": {
			body: `{` + core + `,"data":` + nested(MaxDepth) + `}`,
			want: with(func(e *Event) { e.Data = []byte(nested(MaxDepth)) }),
		},
		"brackets within strings do not nest": {
			body: `{` + core + `,"data":"` + strings.Repeat(`[{\"`, 100) + `"}`,
			want: with(func(e *Event) { e.Data = []byte(`"` + strings.Repeat(`[{\"`, 100) + `"`) }),
		},
		"members of data may stand twice": {
			body: `{` + core + `,"data":{"a":1,"a":2}}`,
			want: with(func(e *Event) { e.Data = []byte(`{"a":1,"a":2}`) }),
		},
		"a source may be a fragment": {
			body: `{"specversion":"1.0","id":"1","source":"#part","type":"t"}`,
			want: with(func(e *Event) { e.Source = "#part" }),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseStructured("ns", []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			wantEvent(t, got, tc.want)
		})
	}
}

func TestParseStructured_Refuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body      string
		kind      ErrorKind // Malformed where empty
		attribute string
	}{
		"nothing":                              {body: ""},
		"broken JSON":                          {body: `{` + core},
		"two values":                           {body: `{` + core + `}{}`},
		"an array":                             {body: `[{` + core + `}]`},
		"a string":                             {body: `"event"`},
		"bytes that are not UTF-8":             {body: `{` + core + `,"x":"` + "\xff" + `"}`},
		"half of a surrogate pair":             {body: `{"specversion":"1.0","id":"\ud83c","source":"/s","type":"t"}`},
		"no specversion":                       {body: `{"id":"1","source":"/s","type":"t"}`, attribute: "specversion"},
		"an unknown specversion":               {body: `{"specversion":"0.3","id":"1","source":"/s","type":"t"}`, attribute: "specversion"},
		"a specversion that is a number":       {body: `{"specversion":1.0,"id":"1","source":"/s","type":"t"}`, attribute: "specversion"},
		"no id":                                {body: `{"specversion":"1.0","source":"/s","type":"t"}`, attribute: "id"},
		"an empty id":                          {body: `{"specversion":"1.0","id":"","source":"/s","type":"t"}`, attribute: "id"},
		"an id that is null":                   {body: `{"specversion":"1.0","id":null,"source":"/s","type":"t"}`, attribute: "id"},
		"an id that is a number":               {body: `{"specversion":"1.0","id":25,"source":"/s","type":"t"}`, attribute: "id"},
		"an id that is an object":              {body: `{"specversion":"1.0","id":{"a":"b"},"source":"/s","type":"t"}`, attribute: "id"},
		"a blank id":                           {body: `{"specversion":"1.0","id":" ","source":"/s","type":"t"}`, attribute: "id"},
		"no source":                            {body: `{"specversion":"1.0","id":"1","type":"t"}`, attribute: "source"},
		"an empty source":                      {body: `{"specversion":"1.0","id":"1","source":"","type":"t"}`, attribute: "source"},
		"a source that is no URI":              {body: `{"specversion":"1.0","id":"1","source":"http://[::1","type":"t"}`, attribute: "source"},
		"no type":                              {body: `{"specversion":"1.0","id":"1","source":"/s"}`, attribute: "type"},
		"an empty type":                        {body: `{"specversion":"1.0","id":"1","source":"/s","type":""}`, attribute: "type"},
		"an empty subject":                     {body: `{` + core + `,"subject":""}`, attribute: "subject"},
		"an empty content type":                {body: `{` + core + `,"datacontenttype":""}`, attribute: "datacontenttype"},
		"a content type that is none":          {body: `{` + core + `,"datacontenttype":"xyz; ="}`, attribute: "datacontenttype"},
		"an empty schema":                      {body: `{` + core + `,"dataschema":""}`, attribute: "dataschema"},
		"a content type without a subtype":     {body: `{` + core + `,"datacontenttype":"xyz"}`, attribute: "datacontenttype"},
		"a relative schema":                    {body: `{` + core + `,"dataschema":"schema.json"}`, attribute: "dataschema"},
		"a time that is none":                  {body: `{` + core + `,"time":"noon"}`, attribute: "time"},
		"a time without seconds":               {body: `{` + core + `,"time":"2026-04-05T18:31Z"}`, attribute: "time"},
		"a time without a zone":                {body: `{` + core + `,"time":"2026-04-05T18:31:00"}`, attribute: "time"},
		"a time in an unknown zone":            {body: `{` + core + `,"time":"2026-04-05T18:31:00X"}`, attribute: "time"},
		"a time in a zone that is out of day":  {body: `{` + core + `,"time":"2026-04-05T18:31:00+25:00"}`, attribute: "time"},
		"a time in a zone of letters":          {body: `{` + core + `,"time":"2026-04-05T18:31:00+ab:00"}`, attribute: "time"},
		"a time in a zone of hours":            {body: `{` + core + `,"time":"2026-04-05T18:31:00+05"}`, attribute: "time"},
		"a time that is a number":              {body: `{` + core + `,"time":1700000000}`, attribute: "time"},
		"a time before the year 0 in UTC":      {body: `{` + core + `,"time":"0000-01-01T00:00:00+01:00"}`, attribute: "time"},
		"a control character in the id":        {body: `{"specversion":"1.0","id":"a\nb","source":"/s","type":"t"}`, attribute: "id"},
		"a control character in the type":      {body: `{"specversion":"1.0","id":"1","source":"/s","type":"t\u0000"}`, attribute: "type"},
		"a control character in the source":    {body: `{"specversion":"1.0","id":"1","source":"/s\u007f","type":"t"}`, attribute: "source"},
		"a control character in the subject":   {body: `{` + core + `,"subject":"a\u0085"}`, attribute: "subject"},
		"a control character in an extension":  {body: `{` + core + `,"ext":"a\tb"}`, attribute: "ext"},
		"a noncharacter":                       {body: `{` + core + `,"subject":"\uffff"}`, attribute: "subject"},
		"a capital in an extension's name":     {body: `{` + core + `,"myExt":"x"}`, attribute: "myExt"},
		"punctuation in an extension's name":   {body: `{` + core + `,"my.ext":"x"}`, attribute: "my.ext"},
		"a bad name even for null":             {body: `{` + core + `,"my_ext":null}`, attribute: "my_ext"},
		"an extension without a name":          {body: `{` + core + `,"":"x"}`},
		"a fraction":                           {body: `{` + core + `,"ext":1.5}`, attribute: "ext"},
		"an exponent":                          {body: `{` + core + `,"ext":1e3}`, attribute: "ext"},
		"an integer of more than 32 bits":      {body: `{` + core + `,"ext":2147483648}`, attribute: "ext"},
		"an object as an extension":            {body: `{` + core + `,"ext":{}}`, attribute: "ext"},
		"an array as an extension":             {body: `{` + core + `,"ext":[1]}`, attribute: "ext"},
		"an attribute twice":                   {body: `{` + core + `,"id":"2"}`, attribute: "id"},
		"an attribute twice by an escape":      {body: `{` + core + `,"\u0069d":"2"}`, attribute: "id"},
		"an extension twice":                   {body: `{` + core + `,"ext":"a","ext":null}`, attribute: "ext"},
		"data twice":                           {body: `{` + core + `,"data":1,"data":1}`, attribute: "data"},
		"data beside base64":                   {body: `{` + core + `,"data":"x","data_base64":"eA=="}`, attribute: "data"},
		"base64 that is none":                  {body: `{` + core + `,"data_base64":"?"}`, attribute: "data_base64"},
		"base64 that is a number":              {body: `{` + core + `,"data_base64":1}`, attribute: "data_base64"},
		"base64 that is not the JSON it says":  {body: `{` + core + `,"datacontenttype":"application/json","data_base64":"AAEC"}`, attribute: "data"},
		"an object that is said to be text":    {body: `{` + core + `,"datacontenttype":"text/plain","data":{"a":1}}`, attribute: "data"},
		"data deeper than allowed":             {body: `{` + core + `,"data":` + nested(MaxDepth+1) + `}`, attribute: "data"},
		"deep data in base64":                  {body: `{` + core + `,"data_base64":"` + deepBase64() + `"}`, attribute: "data"},
		"a type of Posthorn's own":             {kind: Reserved, body: `{"specversion":"1.0","id":"1","source":"/s","type":"dev.posthorn.source.gap"}`, attribute: "type"},
		"such a type in capitals":              {kind: Reserved, body: `{"specversion":"1.0","id":"1","source":"/s","type":"Dev.Posthorn.x"}`, attribute: "type"},
		"a source of Posthorn's own":           {kind: Reserved, body: `{"specversion":"1.0","id":"1","source":"/namespaces/a/webhookeventsources/b","type":"t"}`, attribute: "source"},
		"the origin":                           {kind: Reserved, body: `{` + core + `,"posthornorigin":"x"}`, attribute: "posthornorigin"},
		"any attribute of Posthorn's own":      {kind: Reserved, body: `{` + core + `,"posthorn2":null}`, attribute: "posthorn2"},
		"attributes over the limit":            {kind: TooLarge, body: `{` + core + `,"ext":"` + strings.Repeat("x", MaxAttributeBytes) + `"}`},
		"more attributes than can be compared": {kind: TooLarge, body: `{` + core + manyExtensions(300) + `}`},
		"an event over the limit":              {kind: TooLarge, body: `{` + core + `,"data":"` + strings.Repeat("x", MaxEventBytes) + `"}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := tc.kind
			if kind == "" {
				kind = Malformed
			}
			_, err := ParseStructured("ns", []byte(tc.body))
			wantRefusal(t, err, kind, tc.attribute, -1)
		})
	}
}

func TestParseStructured_TakesTypesBesideTheReservedOnes(t *testing.T) {
	t.Parallel()
	for _, eventType := range []string{"dev.posthornx.a", "dev.posthorn", "com.dev.posthorn.a"} {
		body := fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"/s","type":%q,"xposthorn":"a"}`, eventType)
		if _, err := ParseStructured("ns", []byte(body)); err != nil {
			t.Errorf("%s: %v", eventType, err)
		}
	}
}

func TestParseStructured_TakesAttributesUpToTheLimit(t *testing.T) {
	t.Parallel()
	const fixed = len("id1source/stypetext")
	body := `{` + core + `,"ext":"` + strings.Repeat("x", MaxAttributeBytes-fixed) + `"}`
	if _, err := ParseStructured("ns", []byte(body)); err != nil {
		t.Error(err)
	}
}

func deepBase64() string {
	return base64.StdEncoding.EncodeToString([]byte(nested(MaxDepth + 1)))
}

func manyExtensions(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"e%d":1`, i)
	}
	return b.String()
}
