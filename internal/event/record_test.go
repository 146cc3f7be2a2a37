// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestRecord_RoundTripsEveryEvent(t *testing.T) {
	t.Parallel()
	full := sample()
	full.Extensions["blob"] = []byte{0, 255}
	full.Extensions["empty"] = ""
	full.Extensions["no"] = false
	tests := map[string]*Event{
		"an event that has everything": full,
		"nothing at all":               {},
		"the required attributes":      {Namespace: "ns", ID: "1", Source: "/s", Type: "t"},
		"empty data":                   {ID: "1", Data: []byte{}},
		"a time before 1970":           {ID: "1", Time: time.Date(1066, 10, 14, 9, 0, 0, 1, time.UTC)},
		"the first and the last time":  {ID: "1", Time: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
		"the year 0":                   {ID: "1", Time: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
		"the start of 1970":            {ID: "1", Time: time.Unix(0, 0).UTC()},
		"large data":                   {ID: "1", Data: bytes.Repeat([]byte("x"), 1<<17)},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := want.AppendRecord([]byte("before"))
			got, err := DecodeRecord(b[len("before"):])
			if err != nil {
				t.Fatal(err)
			}
			wantEvent(t, got, want)
			i, err := RecordIdentity(b[len("before"):])
			if err != nil || string(i.Namespace) != want.Namespace || string(i.Source) != want.Source || string(i.ID) != want.ID {
				t.Errorf("identity %s %s %s (%v), want that of the event", i.Namespace, i.Source, i.ID, err)
			}
			if again := got.AppendRecord([]byte("before")); !bytes.Equal(again, b) {
				t.Errorf("record of the decoded event differs:\n%x\n%x", again, b)
			}
		})
	}
}

// TestRecord_ReadsWhatEarlierBuildsWrote holds on to the bytes of version 1. The golden file is
// written anew only when records of that version were never stored anywhere.
func TestRecord_ReadsWhatEarlierBuildsWrote(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "record-v1.bin")
	want := sample()
	want.Extensions["blob"] = []byte{1, 2}
	if *update {
		if err := os.WriteFile(golden, want.AppendRecord(nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	wantEvent(t, got, want)
}

func TestDecodeRecord_SkipsFieldsOfNewerBuilds(t *testing.T) {
	t.Parallel()
	want := sample()
	b := want.AppendRecord(nil)
	b = protowire.AppendTag(b, 100, protowire.VarintType)
	b = protowire.AppendVarint(b, 7)
	b = protowire.AppendTag(b, 101, protowire.BytesType)
	b = protowire.AppendBytes(b, []byte("more"))
	b = protowire.AppendTag(b, 102, protowire.Fixed32Type)
	b = protowire.AppendFixed32(b, 7)
	b = protowire.AppendTag(b, 103, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, 7)
	b = protowire.AppendTag(b, fieldExtension, protowire.BytesType)
	b = protowire.AppendBytes(b, unknownExtension())
	got, err := DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	wantEvent(t, got, want)
}

// unknownExtension is an extension whose value has a type that this build does not know.
func unknownExtension() []byte {
	b := protowire.AppendTag(nil, extensionName, protowire.BytesType)
	b = protowire.AppendString(b, "novel")
	b = protowire.AppendTag(b, 9, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, 7)
}

func TestDecodeRecord_ReadsFieldsInAnyOrder(t *testing.T) {
	t.Parallel()
	b := protowire.AppendTag(nil, fieldVersion, protowire.VarintType)
	b = protowire.AppendVarint(b, recordVersion)
	b = protowire.AppendTag(b, fieldData, protowire.BytesType)
	b = protowire.AppendString(b, "1")
	b = protowire.AppendTag(b, fieldNanos, protowire.VarintType)
	b = protowire.AppendVarint(b, 5)
	b = protowire.AppendTag(b, fieldSeconds, protowire.VarintType)
	b = protowire.AppendVarint(b, protowire.EncodeZigZag(3))
	b = appendExtension(b, "e", "x")
	b = appendString(b, fieldID, "late")
	got, err := DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	wantEvent(t, got, &Event{ID: "late", Time: time.Unix(3, 5).UTC(), Extensions: map[string]any{"e": "x"}, Data: []byte("1")})
}

func TestDecodeRecord_RefusesAnUnknownVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []uint64{0, 2, 1 << 40} {
		b := protowire.AppendTag(nil, fieldVersion, protowire.VarintType)
		b = protowire.AppendVarint(b, version)
		b = append(b, 0xFF) // what follows is of a form that nobody knows
		if _, err := DecodeRecord(b); !errors.Is(err, ErrRecordVersion) {
			t.Errorf("version %d: error = %v, want ErrRecordVersion", version, err)
		}
	}
}

func TestDecodeRecord_RefusesWhatIsNoRecord(t *testing.T) {
	t.Parallel()
	whole := sample().AppendRecord(nil)
	if _, err := DecodeRecord(nil); err == nil {
		t.Error("nothing was taken for a record")
	}
	if _, err := DecodeRecord([]byte(`{"specversion":"1.0"}`)); err == nil {
		t.Error("JSON was taken for a record")
	}
	if _, err := DecodeRecord(whole[:len(whole)-1]); err == nil {
		t.Error("a record that is cut off was taken")
	}
	if _, err := DecodeRecord(whole[2:]); err == nil {
		t.Error("a record without a version was taken")
	}
	broken := protowire.AppendTag(whole[:2:2], fieldExtension, protowire.BytesType)
	broken = protowire.AppendBytes(broken, []byte{0xFF})
	if _, err := DecodeRecord(broken); err == nil {
		t.Error("a broken extension was taken")
	}
}

func TestDecodeRecord_CopiesStringsAndKeepsData(t *testing.T) {
	t.Parallel()
	b := sample().AppendRecord(nil)
	e, err := DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if &e.Data[len(e.Data)-1] != &b[len(b)-1] {
		t.Error("the data was copied")
	}
	if cap(e.Data) != len(e.Data) {
		t.Error("appending to the data would write behind it")
	}
	for i := range b[:len(b)-len(e.Data)] {
		b[i] = 'x'
	}
	wantEvent(t, e, sample())
}
