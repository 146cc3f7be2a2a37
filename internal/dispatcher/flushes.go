// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

// flushes counts, by flush, what makes a restart read it: records of events above the floor, and
// records whose predecessor is not removed yet. Sequences are added in ascending order.
type flushes struct {
	counts map[uint64]int
	order  []uint64
}

// hold counts n more for a flush.
func (f *flushes) hold(seq uint64, n int) {
	if n == 0 {
		return
	}
	if f.counts == nil {
		f.counts = map[uint64]int{}
	}
	if _, known := f.counts[seq]; !known {
		f.order = append(f.order, seq)
	}
	f.counts[seq] += n
}

// release counts n less for a flush.
func (f *flushes) release(seq uint64, n int) {
	f.counts[seq] -= n
	for len(f.order) > 0 && f.counts[f.order[0]] <= 0 {
		delete(f.counts, f.order[0])
		f.order = f.order[1:]
	}
}

// oldest is the oldest flush that is held; 0 when none is.
func (f *flushes) oldest() uint64 {
	if len(f.order) == 0 {
		return 0
	}
	return f.order[0]
}
