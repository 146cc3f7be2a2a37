// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// ReadMetrics reads the metrics of the dispatcher: name with labels, as they stand there, to value.
func (d *Dispatcher) ReadMetrics(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.Metrics+"/metrics", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer answer.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		if v, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			values[line[:at]] = v
		}
	}
	return values, lines.Err()
}

// Pending is how many deliveries have not ended.
func (d *Dispatcher) Pending(ctx context.Context) (int, error) {
	m, err := d.ReadMetrics(ctx)
	const name = "posthorn_dispatcher_pending_deliveries"
	memory, ok1 := m[name+`{where="memory"}`]
	storage, ok2 := m[name+`{where="storage"}`]
	if err == nil && (!ok1 || !ok2) {
		err = errors.New("the metrics do not show what is pending")
	}
	return int(memory + storage), err
}

// ResidentBytes is how much memory the process has, from /proc; 0 where there is none.
func (p *Process) ResidentBytes() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
