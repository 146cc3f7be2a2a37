// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/posthorn-dev/posthorn/internal/wire"
)

func TestRead_ReturnsWhatWasAppended(t *testing.T) {
	t.Parallel()
	at := time.Date(1969, 1, 2, 3, 4, 5, 6, time.UTC) // before 1970, to the nanosecond
	b := wire.AppendVersion(nil, 3)
	b = wire.AppendUint(b, 2, 1<<63)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 9, protowire.Fixed64Type), 1) // skipped
	b = wire.AppendInt(b, 3, 42)
	b = wire.AppendInt(b, 3, -1) // left out
	b = wire.AppendBool(b, 4, true)
	b = wire.AppendTime(b, 5, at)
	b = wire.AppendString(b, 6, "é")
	b = wire.AppendBytes(b, 7, []byte{0, 1})
	got := map[wire.Number]any{}
	err := wire.Read(b, 3, func(f wire.Field) {
		switch f.Number {
		case 2:
			got[2] = f.Uint
		case 3:
			got[3] = f.Int()
		case 4:
			got[4] = f.Bool()
		case 5:
			got[5] = f.Time()
		case 6:
			got[6] = f.String()
		default:
			got[f.Number] = f.Bytes
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[wire.Number]any{2: uint64(1 << 63), 3: 42, 4: true, 5: at, 6: "é", 7: []byte{0, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRead_Refuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		record []byte
		want   error
	}{
		"another version":        {wire.AppendVersion(nil, 2), wire.ErrVersion},
		"a record without one":   {wire.AppendUint(nil, 2, 1), wire.ErrVersion},
		"an empty record":        {nil, wire.ErrVersion},
		"a field that is cut":    {wire.AppendString(wire.AppendVersion(nil, 1), 2, "abc")[:5], wire.ErrMalformed},
		"what is no record":      {[]byte{0xff}, wire.ErrMalformed},
		"a number without value": {[]byte{0x08}, wire.ErrMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := wire.Read(tt.record, 1, func(wire.Field) {}); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// FuzzRead feeds whatever may be found on a disk.
func FuzzRead(f *testing.F) {
	f.Add(wire.AppendString(wire.AppendVersion(nil, 1), 2, "abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := wire.Read(b, 1, func(wire.Field) {})
		if err != nil && !errors.Is(err, wire.ErrMalformed) && !errors.Is(err, wire.ErrVersion) {
			t.Errorf("error %v, want one of the package's", err)
		}
	})
}
