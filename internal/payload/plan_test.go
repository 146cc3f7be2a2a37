// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/filter"
)

var update = flag.Bool("update", false, "write the golden files anew")

func order() *event.Event {
	return &event.Event{
		Namespace: "team-a", ID: "17", Source: "https://shop.example.com/orders", Type: "com.example.order.created",
		Subject: "orders/17", DataContentType: "application/json", DataSchema: "https://example.com/schemas/order",
		Time:       time.Date(2026, 11, 23, 10, 30, 0, 5e8, time.UTC),
		Extensions: map[string]any{"region": "zürich", "attempt": int32(3)},
		Origin:     "system:serviceaccount:team-a:shop",
		Data:       []byte(`{"id":"o-17", "total":129.50,"big":12345678901234567,"lines":[{"sku":"a"}]}`),
	}
}

// events are what each format is rendered for, by name.
func events() map[string]*event.Event {
	bare := func(contentType string, data []byte) *event.Event {
		return &event.Event{Namespace: "team-a", ID: "1", Source: "/s", Type: "t", DataContentType: contentType, Data: data}
	}
	return map[string]*event.Event{
		"json":    order(),
		"implied": bare("", []byte(`[1, 2]`)),
		"text":    bare("text/plain; charset=utf-8", []byte("two\nlines \"é\"")),
		"bytes":   bare("image/png", []byte("\x89PNG\xff")),
		"none":    bare("", nil),
	}
}

// printed writes a body as a request would carry it.
func printed(b *Body) string {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(b.Header)) {
		fmt.Fprintf(&out, "%s: %s\n", key, strings.Join(b.Header[key], ", "))
	}
	fmt.Fprintf(&out, "\n%s\n", b.Data)
	return out.String()
}

func render(t *testing.T, format Format, transform string, e *event.Event) (*Body, error) {
	t.Helper()
	p, err := NewPlan(format, transform)
	if err != nil {
		t.Fatal(err)
	}
	return p.Render(filter.NewInput(e))
}

func TestPlan_RendersEveryFormat(t *testing.T) {
	t.Parallel()
	const transform = `{"text": "order " + event.data.id, "lines": event.data.lines, "big": event.data.big, "at": event.time}`
	for _, format := range Formats() {
		for name, e := range events() {
			t.Run(string(format)+" of "+name, func(t *testing.T) {
				t.Parallel()
				compareGolden(t, string(format)+"-"+name, format, "", e)
			})
		}
		t.Run(string(format)+" of a transform", func(t *testing.T) {
			t.Parallel()
			compareGolden(t, string(format)+"-transformed", format, transform, order())
		})
	}
}

func compareGolden(t *testing.T, name string, format Format, transform string, e *event.Event) {
	t.Helper()
	body, err := render(t, format, transform, e)
	if err != nil {
		t.Fatal(err)
	}
	got := printed(body)
	golden := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if strings.Contains(got, e.Origin) && e.Origin != "" {
		t.Error("the origin was sent out")
	}
}

// TestPlan_CloudEventsComeOutAsTheyCameIn reads back what is sent.
func TestPlan_CloudEventsComeOutAsTheyCameIn(t *testing.T) {
	t.Parallel()
	for name, e := range events() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := render(t, FormatCloudEvents, "", e)
			if err != nil {
				t.Fatal(err)
			}
			got, err := event.ParseStructured(e.Namespace, body.Data)
			if err != nil {
				t.Fatal(err)
			}
			got.Origin = e.Origin
			if diff := cmp.Diff(e, got); diff != "" {
				t.Errorf("structured (-want +got):\n%s", diff)
			}
			if body, err = render(t, FormatCloudEventsBinary, "", e); err != nil {
				t.Fatal(err)
			}
			if got, err = event.ParseBinary(e.Namespace, body.Header, body.Data); err != nil {
				t.Fatal(err)
			}
			if got.ID != e.ID || got.Subject != e.Subject || !got.Time.Equal(e.Time) || !bytes.Equal(got.Data, e.Data) {
				t.Errorf("binary: got %+v, want %+v", got, e)
			}
		})
	}
}

func TestPlan_SharedSaysWhatMayBeCached(t *testing.T) {
	t.Parallel()
	for _, format := range Formats() {
		plain, err := NewPlan(format, "")
		if err != nil {
			t.Fatal(err)
		}
		transformed, err := NewPlan(format, `event.data`)
		if err != nil {
			t.Fatal(err)
		}
		if !plain.Shared() || transformed.Shared() || plain.Format() != format {
			t.Errorf("%s: shared = %t and %t, want only the plain one", plain.Format(), plain.Shared(), transformed.Shared())
		}
	}
}

func TestNewPlan_DefaultsToCloudEvents(t *testing.T) {
	t.Parallel()
	p, err := NewPlan("", "")
	if err != nil || p.Format() != FormatCloudEvents {
		t.Errorf("format = %v, %v", p, err)
	}
}

func TestNewPlan_Refuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		format    Format
		transform string
		field     string
		message   string
	}{
		"an unknown format":              {format: "XML", field: "format", message: "CloudEvents"},
		"a transform that is no CEL":     {transform: `{"a":`, field: "transform", message: "Syntax error"},
		"a transform of something else":  {transform: `{"a": data.id}`, field: "transform", message: "did you mean event.data.id?"},
		"a transform that sends origins": {transform: `event.posthornorigin`, field: "transform", message: "never sent out"},
		"a blank transform":              {transform: " ", field: "transform", message: "blank"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewPlan(tc.format, tc.transform)
			var e *filter.Error
			if !errors.As(err, &e) || e.Field != tc.field || !strings.Contains(e.Message, tc.message) {
				t.Errorf("error = %v, want %q of %s", err, tc.message, tc.field)
			}
		})
	}
}

func TestPlan_TransformResults(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`null`:                                `null`,
		`true`:                                `true`,
		`1`:                                   `1`,
		`9223372036854775807`:                 `9223372036854775807`,
		`18446744073709551615u`:               `18446744073709551615`,
		`1.0`:                                 `1`,
		`0.1`:                                 `0.1`,
		`1e300`:                               `1e+300`,
		`-1e-9`:                               `-1e-09`,
		`"a\"\n<é>"`:                          `"a\"\n<é>"`,
		`b"\x01\xff"`:                         `"Af8="`,
		`timestamp("2026-01-02T03:04:05.6Z")`: `"2026-01-02T03:04:05.6Z"`,
		`duration("90m")`:                     `"5400s"`,
		`duration("1500ms")`:                  `"1.5s"`,
		`[1, "a", [], {}]`:                    `[1,"a",[],{}]`,
		`{"b": 1, "a": {"d": null, "c": 2}}`:  `{"a":{"c":2,"d":null},"b":1}`,
		`{1: "a", 2u: "b", true: "c"}`:        `{"1":"a","2":"b","true":"c"}`,
		`event.data`:                          `{"big":12345678901234567,"id":"o-17","lines":[{"sku":"a"}],"total":129.5}`,
		`event.data.lines.map(l, l.sku)`:      `["a"]`,
		`[event.data.lines] + [[event.data.total]]`:     `[[{"sku":"a"}],[129.5]]`,
		`{"id": event.id, "n": event.attempt}`:          `{"id":"17","n":3}`,
		`{?"a": optional.none(), ?"b": event.?subject}`: `{"b":"orders/17"}`,
		`event.?subject`: `"orders/17"`,
		`event.?nosuch`:  `null`,
		`event.data.total > 100.0 ? "big" : "small"`: `"big"`,
	}
	for transform, want := range tests {
		t.Run(transform, func(t *testing.T) {
			t.Parallel()
			body, err := render(t, FormatData, transform, order())
			if err != nil {
				t.Fatal(err)
			}
			if string(body.Data) != want || body.Header.Get("Content-Type") != "application/json" {
				t.Errorf("body = %s (%s), want %s", body.Data, body.Header.Get("Content-Type"), want)
			}
		})
	}
}

func TestPlan_TransformFailures(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		transform string
		want      error
	}{
		"a field that is missing":        {`{"a": event.data.nosuch}`, filter.ErrMissing},
		"operands of other types":        {`event.data.id + 1`, filter.ErrEvaluation},
		"a number that is not finite":    {`1.0 / 0.0`, ErrNotJSON},
		"a type":                         {`type(1)`, ErrNotJSON},
		"the whole event":                {`{"e": event}`, ErrNotJSON},
		"a key that is no name":          {`{1.5: "a"}`, ErrNotJSON},
		"two keys of one name":           {`{1: "a", "1": "b"}`, ErrNotJSON},
		"what costs too much":            {`event.data.l.map(a, event.data.l.map(b, a))`, filter.ErrCostExceeded},
		"a result that is too large":     {`event.data.l.map(a, event.data.s)`, ErrTooLarge},
		"a name that is too large":       {`{event.data.s + event.data.s + event.data.s: 1}`, ErrTooLarge},
		"bytes that are too large":       {`bytes(event.data.s + event.data.s)`, ErrTooLarge},
		"a list that ends over the size": {`[event.data.s, event.data.s, event.data.s]`, ErrTooLarge},
	}
	e := order()
	e.Data = []byte(`{"id":"x","l":[` + strings.Repeat("1,", 999) + `1],"s":"` + strings.Repeat("a", 400_000) + `"}`)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := render(t, FormatData, tc.transform, e)
			if body != nil || !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestPlan_TransformIsDeterministic(t *testing.T) {
	t.Parallel()
	var want string
	for i := range 50 {
		body, err := render(t, FormatCloudEvents, `{"z": 1, "y": event.data, "x": {"b": 1, "a": 2}}`, order())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = string(body.Data)
		}
		if string(body.Data) != want {
			t.Fatalf("body differs:\n%s\n%s", body.Data, want)
		}
	}
}

func TestPlan_LeavesTheEventAlone(t *testing.T) {
	t.Parallel()
	e := order()
	if _, err := render(t, FormatCloudEvents, `{"a": event.data.id}`, e); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(order(), e); diff != "" {
		t.Errorf("event (-before +after):\n%s", diff)
	}
}

func TestPlan_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	in := filter.NewInput(order())
	var wg sync.WaitGroup
	for _, format := range Formats() {
		for _, transform := range []string{"", `{"a": event.data.lines.map(l, l.sku)}`} {
			p, err := NewPlan(format, transform)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for range 50 {
					body, err := p.Render(in)
					if err != nil {
						t.Error(err)
						return
					}
					_ = body.Header.Get("Content-Type")
				}
			})
		}
	}
	wg.Wait()
}

func TestBody_HeadersAreCanonical(t *testing.T) {
	t.Parallel()
	for _, format := range Formats() {
		body, err := render(t, format, "", order())
		if err != nil {
			t.Fatal(err)
		}
		for key := range body.Header {
			if key != http.CanonicalHeaderKey(key) {
				t.Errorf("%s: header %q is not canonical", format, key)
			}
		}
	}
}
