// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"net/http"
	"strconv"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// Values of headers, made once: the headers of an answer share them.
var (
	jsonType = []string{mediaJSON}
	replayed = []string{"true"}
)

// answer is what a producer is told about its events.
type answer struct {
	events     []*event.Event
	duplicates int
}

// write answers 202 with the number of new and of repeated events, and the ids of all.
func (a *answer) write(w http.ResponseWriter) {
	header := w.Header()
	header["Content-Type"] = jsonType
	if a.duplicates > 0 && a.duplicates == len(a.events) {
		header[HeaderReplayed] = replayed
	}
	w.WriteHeader(http.StatusAccepted)
	// A client that went away cannot be told so.
	_, _ = w.Write(a.appendJSON(make([]byte, 0, 64+64*len(a.events))))
}

// appendJSON appends {"accepted":1,"duplicates":0,"ids":["…"]}.
func (a *answer) appendJSON(b []byte) []byte {
	b = append(b, `{"accepted":`...)
	b = strconv.AppendInt(b, int64(len(a.events)-a.duplicates), 10)
	b = append(b, `,"duplicates":`...)
	b = strconv.AppendInt(b, int64(a.duplicates), 10)
	b = append(b, `,"ids":[`...)
	for i, e := range a.events {
		if i > 0 {
			b = append(b, ',')
		}
		b = event.AppendJSONString(b, e.ID)
	}
	return append(b, "]}\n"...)
}
