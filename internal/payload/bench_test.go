// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"testing"

	"github.com/posthorn-dev/posthorn/internal/filter"
)

func benchmarkRender(b *testing.B, format Format, transform string) {
	b.Helper()
	p, err := NewPlan(format, transform)
	if err != nil {
		b.Fatal(err)
	}
	in := filter.NewInput(order())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Render(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRenderCloudEvents(b *testing.B)       { benchmarkRender(b, FormatCloudEvents, "") }
func BenchmarkRenderCloudEventsBinary(b *testing.B) { benchmarkRender(b, FormatCloudEventsBinary, "") }

func BenchmarkRenderStandardWebhooks(b *testing.B) { benchmarkRender(b, FormatStandardWebhooks, "") }

func BenchmarkRenderTransform(b *testing.B) {
	benchmarkRender(b, FormatData, `{"text": "order " + event.data.id}`)
}
