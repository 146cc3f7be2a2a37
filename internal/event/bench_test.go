// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"net/http"
	"strings"
	"testing"
)

// typical is an event whose data takes 512 bytes.
func typical() *Event {
	e := sample()
	e.Extensions = nil
	e.Data = []byte(`{"id":17,"total":129.5,"note":"` + strings.Repeat("x", 512-33) + `"}`)
	return e
}

func BenchmarkDecodeRecord(b *testing.B) {
	record := typical().AppendRecord(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRecord(record); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRecord(b *testing.B) {
	e := typical()
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendRecord(buf[:0])
	}
}

func BenchmarkAppendStructured(b *testing.B) {
	e := typical()
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendStructured(buf[:0])
	}
}

func BenchmarkAppendStructuredWithExtensions(b *testing.B) {
	e := typical()
	e.Extensions = sample().Extensions
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendStructured(buf[:0])
	}
}

func BenchmarkParseStructured(b *testing.B) {
	body := typical().AppendStructured(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseStructured("ns", body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseBinary(b *testing.B) {
	e := typical()
	h := http.Header{}
	e.BinaryHeader(h)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseBinary("ns", h, e.Data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseBatchOf1000(b *testing.B) {
	one := string(typical().AppendStructured(nil))
	body := []byte("[" + strings.Repeat(one+",", MaxBatchEvents-1) + one + "]")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseBatch("ns", body); err != nil {
			b.Fatal(err)
		}
	}
}
