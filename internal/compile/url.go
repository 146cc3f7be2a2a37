// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// maxURL is the longest URL in bytes, as the schema has it.
const maxURL = 2048

// ParseURL reads a destination and holds it to the rules of the field url, which the schema cannot
// apply to the value of a Secret. The error never repeats the value.
func ParseURL(raw string) (*url.URL, error) {
	if err := checkURLText(raw); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || !validPort(u) {
		return nil, errors.New("must be a well-formed URL with a host, such as https://billing.example.com/hooks")
	}
	if u.User != nil {
		return nil, errors.New("must not hold a user name or a password: put them into a Secret and name it in authentication with type Basic")
	}
	return u, nil
}

// checkURLText judges what can be said of a URL before it is taken apart.
func checkURLText(raw string) error {
	switch {
	case raw == "":
		return errors.New("must not be empty: write a URL such as https://billing.example.com/hooks")
	case len(raw) > maxURL:
		return errors.New("must have at most " + strconv.Itoa(maxURL) + " bytes")
	case !strings.HasPrefix(raw, "https://") && !strings.HasPrefix(raw, "http://"):
		return errors.New("must begin with https:// or http://, in lower case")
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("must be ASCII without spaces: percent-encode other characters")
	case strings.Contains(raw, "#"):
		return errors.New("must not hold a fragment, which is never sent: remove the # and what follows it")
	}
	return nil
}

// validPort reports whether a URL names no port, or one from 1 to 65535.
func validPort(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if u.Port() == "" {
		return true
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}
