// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import "strings"

// Media types that Posthorn sets by itself.
const (
	mediaJSON   = "application/json"
	mediaBinary = "application/octet-stream"
)

// IsJSON reports whether the data is JSON: its content type is application/json, text/json or one
// with the suffix +json, or there is none, which the CloudEvents JSON format defines as JSON.
func (e *Event) IsJSON() bool {
	return e.DataContentType == "" || isJSONMedia(e.DataContentType)
}

func isJSONMedia(contentType string) bool {
	m := bareMedia(contentType)
	return strings.EqualFold(m, mediaJSON) || strings.EqualFold(m, "text/json") || hasSuffixFold(m, "+json")
}

// IsText reports whether data that is not JSON is embedded in JSON as a string and not in base64.
// Only content types that are text by definition count: judged by its bytes, the same producer's
// data would take one form today and the other tomorrow.
func (e *Event) IsText() bool {
	m := bareMedia(e.DataContentType)
	return len(m) > 5 && strings.EqualFold(m[:5], "text/") ||
		strings.EqualFold(m, "application/xml") || hasSuffixFold(m, "+xml")
}

// bareMedia cuts the parameters off. It does not allocate: it is called for every delivery.
func bareMedia(contentType string) string {
	if i := strings.IndexByte(contentType, ';'); i >= 0 {
		contentType = contentType[:i]
	}
	return strings.TrimSpace(contentType)
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
