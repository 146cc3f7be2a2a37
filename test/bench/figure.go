// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"text/tabwriter"
)

// figure is one row of the table.
type figure struct {
	name, title, unit string
	// value and baseline are medians, and ratio is the median of the ratios of the pairs; not a number where
	// there is none.
	value, baseline, ratio float64
	// goal is what the value or the ratio is to reach, for people.
	goal string
}

// none stands for a baseline or a ratio that a figure does not have.
var none = math.NaN()

// pairs collects what was measured in turns: a baseline, the figure, and again.
type pairs struct {
	values, baselines, ratios []float64
}

// add takes one pair.
func (p *pairs) add(baseline, value float64) {
	p.values = append(p.values, value)
	p.baselines = append(p.baselines, baseline)
	p.ratios = append(p.ratios, value/baseline)
}

// figure is what the pairs come to.
func (p *pairs) figure(name, title, unit, goal string) figure {
	return figure{
		name: name, title: title, unit: unit, goal: goal,
		value: median(p.values), baseline: median(p.baselines), ratio: median(p.ratios),
	}
}

// single is a figure without a baseline.
func single(name, title, unit, goal string, values ...float64) figure {
	return figure{name: name, title: title, unit: unit, goal: goal, value: median(values), baseline: none, ratio: none}
}

// median is the middle value, or the mean of the two that are.
func median(values []float64) float64 {
	if len(values) == 0 {
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// quantile is the smallest value that is not below the given part of all.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return none
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// printTable prints the figures.
func printTable(out io.Writer, all []figure) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nname\twhat\tvalue\tunit\tbaseline\tratio\tto reach")
	for _, f := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.name, f.title, number(f.value), f.unit,
			number(f.baseline), number(f.ratio), f.goal)
	}
	_ = w.Flush() // what standard output does not take cannot be told
}

// number shows a number with as many digits as it is worth.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// writeJSON writes one object: the figures by name.
func writeJSON(path string, all []figure) error {
	type row struct {
		Value    *float64 `json:"value"`
		Unit     string   `json:"unit"`
		Baseline *float64 `json:"baseline"`
		Ratio    *float64 `json:"ratio"`
	}
	rows := map[string]row{}
	for _, f := range all {
		rows[f.name] = row{known(f.value), f.unit, known(f.baseline), known(f.ratio)}
	}
	b, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}

// known is nil for what is not a number, which JSON does not have.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
