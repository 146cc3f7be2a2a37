// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Share is a part of the storage: a percentage of it, or a number of bytes. One of the two is set.
type Share struct {
	Percent int
	Bytes   int64
}

// Of returns how many of total bytes the share is. Bytes beyond the total are cut to it.
func (s Share) Of(total int64) int64 {
	if s.Bytes > 0 {
		return min(s.Bytes, total)
	}
	// Dividing first keeps the product within an int64; the error is less than 100 bytes.
	return total / 100 * int64(s.Percent)
}

// parseShare reads 25% or 2Gi.
func parseShare(s string) (Share, error) {
	if digits, ok := strings.CutSuffix(s, "%"); ok {
		percent, err := strconv.Atoi(digits)
		if err != nil || percent < 1 || percent > 100 {
			return Share{}, fmt.Errorf("%q is not a share: write 1%% to 100%%, or a size such as 2Gi", s)
		}
		return Share{Percent: percent}, nil
	}
	bytes, err := parseSize(s)
	if err != nil {
		return Share{}, fmt.Errorf("%q is not a share: write 1%% to 100%%, or a size such as 2Gi", s)
	}
	return Share{Bytes: bytes}, nil
}

// parseSize reads a Kubernetes quantity of whole bytes, such as 50Gi.
func parseSize(s string) (int64, error) {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size: write one such as 50Gi", s)
	}
	// Value rounds up. AsInt64 would refuse 1.5Gi, which is a whole number of bytes.
	bytes := q.Value()
	if bytes < 1 || q.CmpInt64(bytes) != 0 {
		return 0, fmt.Errorf("%q is not a size: write one such as 50Gi", s)
	}
	return bytes, nil
}
