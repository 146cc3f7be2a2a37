// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/retry"
)

const (
	// maxRead is how much of an answer's body is read. What is read to its end leaves the connection fit for the next
	// request; more than this is not worth the wait.
	maxRead = 64 << 10
	// maxKept is how much of an answer's body is kept for the attempt log, in bytes. Endpoints return
	// HTML error pages; 1,000 bytes show the reason without filling the stream.
	maxKept = 1000
	// bufferSize is what is read of an answer at a time, and all that is looked at for what is kept,
	// unless the endpoint has longer secrets.
	bufferSize = 4 << 10
)

// answers reuses buffers for the bodies of answers.
var answers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// response reads the answer and judges it.
func (a *attempt) response(t *target, answer *http.Response) delivery.Response {
	body, err := t.body(answer, a.authorization)
	r := delivery.Response{StatusCode: answer.StatusCode, Body: body}
	r.Reason = statusReason(answer.StatusCode)
	if r.Reason == delivery.ReasonNone {
		if err != nil && a.timedOut(err) && a.parent.Err() == nil {
			// 2xx with a body that never ends is no complete answer. A body that breaks off, or that
			// this side gave up, leaves the answer what it was: the receiver took the event.
			late := a.failed(err)
			late.Body = body
			return late
		}
		return r
	}
	r.Message = statusMessage(answer.StatusCode)
	if answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusServiceUnavailable {
		if value := answer.Header.Get("Retry-After"); value != "" {
			r.RetryAfter, _ = retry.ParseRetryAfter(value, time.Now())
		}
	}
	return r
}

// body reads the answer's body, and returns what is kept of it.
func (t *target) body(answer *http.Response, authorization string) (string, error) {
	if answer.ContentLength == 0 || answer.StatusCode == http.StatusSwitchingProtocols {
		return "", nil
	}
	buffer := answers.Get().(*[bufferSize]byte)
	defer answers.Put(buffer)
	n, err := readFull(answer.Body, buffer[:])
	if n < t.shortest && t.tokens == nil {
		// The usual answer, "ok" or nothing, is too short to hold a secret.
		return tidy(buffer[:n]), ended(err)
	}
	redactor := t.redact(authorization)
	captured := buffer[:n]
	if want := redactor.capture(); err == nil && want > bufferSize {
		captured = append(make([]byte, 0, want), captured...)
		n, err = readFull(answer.Body, captured[bufferSize:want])
		captured = captured[:bufferSize+n]
	}
	complete := err != nil
	if err == nil {
		// One byte more, since only a read behind the last byte finds the end.
		_, err = io.CopyN(io.Discard, answer.Body, int64(maxRead-len(captured)+1))
	}
	return tidy(redactor.apply(captured, complete)), ended(err)
}

// readFull reads until the buffer is full (and returns no error then) or the body ends with an error,
// io.EOF for a proper end.
func readFull(r io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var read int
		read, err = r.Read(buffer[n:])
		n += read
	}
	if n == len(buffer) && err == io.EOF {
		return n, io.EOF
	}
	return n, err
}

// ended turns the proper end of a body into no error.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// tidy cuts what is kept to its limit, and makes it valid UTF-8.
func tidy(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	s := strings.ToValidUTF8(string(b[:min(len(b), maxKept+utf8.UTFMax)]), "\uFFFD")
	if len(s) <= maxKept {
		return s
	}
	end := maxKept
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// statusReason classifies an HTTP status.
func statusReason(status int) delivery.FailureReason {
	switch {
	case status >= 200 && status <= 299:
		return delivery.ReasonNone
	case status >= 300 && status <= 399:
		return delivery.ReasonRedirect
	case status == http.StatusGone:
		return delivery.ReasonGone
	case status == http.StatusTooManyRequests:
		return delivery.ReasonRateLimited
	case status >= 400 && status <= 499:
		return delivery.ReasonStatus4xx
	case status >= 500 && status <= 599:
		return delivery.ReasonStatus5xx
	default:
		return delivery.ReasonUnexpectedStatus
	}
}

// statusMessage says what the endpoint answered. The status text is the standard's, never the
// receiver's.
func statusMessage(status int) string {
	return answered("The endpoint", status)
}

// answered says what who answered.
func answered(who string, status int) string {
	s := who + " answered " + strconv.Itoa(status)
	if text := http.StatusText(status); text != "" {
		s += " " + text
	}
	if statusReason(status) == delivery.ReasonRedirect {
		return s + "; redirects are never followed."
	}
	return s + "."
}
