// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/change"
)

func TestFingerprintOf_TellsContentApart(t *testing.T) {
	t.Parallel()
	// Whatever of these stand in one line are equal, and differ from all other lines.
	classes := [][]string{
		{`{}`, `{ }`},
		{`{"a":null}`},
		{`{"a":1}`, `{"a":1.0}`, `{"a":1e0}`},
		{`{"a":"1"}`},
		{`{"a":true}`},
		{`{"a":false}`},
		{`{"a":0}`, `{"a":-0.0}`},
		{`{"a":""}`},
		{`{"a":[]}`},
		{`{"a":{}}`},
		{`{"a":[1]}`},
		{`{"a":[[1]]}`},
		{`{"a":[[],1]}`},
		{`{"a":{"0":1}}`},
		{`{"a":1.5}`},
		{`{"a":9007199254740993}`},
		{`{"a":9007199254740992}`, `{"a":9007199254740992.0}`},
		{`{"a":9223372036854775807}`},
		{`{"a":9223372036854775808}`, `{"a":9.223372036854775808e18}`},
		{`{"a":1,"b":[true,{"c":"d","e":2}]}`, `{"b":[true,{"e":2,"c":"d"}],"a":1}`},
		{`{"ab":"c"}`},
		{`{"a":"bc"}`},
		{`{"a":"b","c":"d"}`},
		{`{"a":"bsc","d":null}`},
		{`{"metadata":{"name":"a"}}`, `{"metadata":{"name":"a","resourceVersion":"7","generation":3}}`},
		{`{"metadata":{}}`, `{"metadata":{"resourceVersion":"8"}}`},
		{`{"metadata":null}`},
		{`{"spec":{"resourceVersion":"7"}}`},
		{`{"spec":{"resourceVersion":"8"}}`},
		{`{"spec":{"metadata":{"generation":1}}}`},
		{`{"spec":{"metadata":{"generation":2}}}`},
		{`{"status":{"observedGeneration":1}}`},
		{`{"status":{"observedGeneration":2}}`},
	}
	seen := map[change.Fingerprint]int{}
	for i, class := range classes {
		for _, text := range class {
			f := change.FingerprintOf(decode(t, text))
			if other, ok := seen[f]; ok && other != i {
				t.Errorf("%s has the fingerprint of %s", text, classes[other][0])
			}
			if first := change.FingerprintOf(decode(t, class[0])); f != first {
				t.Errorf("%s has another fingerprint than %s", text, class[0])
			}
			seen[f] = i
		}
	}
}

// What is stored must be known again by every later version.
func TestFingerprintOf_IsTheSameForever(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"deployment": "caeca1c5becf1a5dc86c6eb918a79de0",
		"pod":        "8c2eb986f4a30929cdb1406f06e58548",
		"configmap":  "2b82c2072f5552ccd23a8a3d7a083361",
		"job":        "57cc22da651a82ab11473e37a235dbf2",
	}
	for name, fingerprint := range want {
		f := change.FingerprintOf(clean(t, name))
		if got := hex.EncodeToString(f[:]); got != fingerprint {
			t.Errorf("%s: %s, want %s", name, got, fingerprint)
		}
	}
}

func TestFingerprintOf_ReadsLongStringsAndOddTypes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	a := change.FingerprintOf(map[string]any{"data": long + "a", "n": 1})
	b := change.FingerprintOf(map[string]any{"data": long + "b", "n": 1})
	c := change.FingerprintOf(map[string]any{"data": long + "a", "n": json.Number("1.0")})
	if a == b || a != c {
		t.Errorf("fingerprints %x, %x, %x: want the second alone to differ", a, b, c)
	}
	if change.FingerprintOf(map[string]any{"n": []byte("a")}) == change.FingerprintOf(map[string]any{"n": []byte("b")}) {
		t.Error("bytes are not told apart")
	}
}

func TestFingerprintOf_InManyGoroutines(t *testing.T) {
	t.Parallel()
	object := clean(t, "deployment")
	want := change.FingerprintOf(object)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if got := change.FingerprintOf(object); got != want {
					t.Errorf("fingerprint %x, want %x", got, want)
				}
			}
		})
	}
	wg.Wait()
}

// large is a ConfigMap of about 1.5 MB.
func large() map[string]any {
	data := map[string]any{}
	for i := range 1500 {
		data[fmt.Sprint("key-", i)] = strings.Repeat("0123456789", 100)
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "large", "namespace": "team-a", "uid": "u-large", "resourceVersion": "1", "managedFields": []any{}},
		"data":     data,
	}
}

func BenchmarkFingerprintOf(b *testing.B) {
	for name, object := range map[string]map[string]any{"deployment": clean(b, "deployment"), "1.5MB": large()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				change.FingerprintOf(object)
			}
		})
	}
}

func BenchmarkSanitize(b *testing.B) {
	for name, object := range map[string]map[string]any{"deployment": load(b, "deployment"), "1.5MB": large()} {
		for set, r := range map[string]change.Redaction{"plain": {}, "redacted": redaction(b, "/spec/template/spec/containers/*/env", "/data/key-1")} {
			b.Run(name+"/"+set, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					change.Sanitize(object, r)
				}
			})
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	before := clean(b, "deployment")
	after := clean(b, "deployment")
	at(b, after, "status").(map[string]any)["availableReplicas"] = int64(3)
	at(b, after, "metadata").(map[string]any)["resourceVersion"] = "48214"
	b.ReportAllocs()
	for b.Loop() {
		change.Diff(before, after)
	}
}
