// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"encoding/json"
	"fmt"

	"github.com/posthorn-dev/posthorn/internal/wire"
)

// stateVersion is the version of the values of the small state. They outlive the build that wrote them, as records
// do (see package wire): a field may be added when a build that skips it still does right. A change that older
// builds must not skip raises the version of that value, and they refuse it.
const stateVersion = 1

// encode is a value of the small state as it is stored: a JSON object. Only structs that always encode are given
// to it.
func encode(v any) []byte { return encodeAs(stateVersion, v) }

// encodeAs is encode for a value that has another version.
func encodeAs(version int, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	head := fmt.Appendf(nil, `{"version":%d`, version)
	if len(b) > len("{}") {
		head = append(head, ',')
	}
	return append(head, b[1:]...)
}

// decode reads what encode wrote.
func decode(data []byte, into any) error { return decodeAs(stateVersion, data, into) }

// decodeAs reads what encodeAs wrote with the version.
func decodeAs(version int, data []byte, into any) error {
	is, err := versionOf(data)
	if err != nil {
		return err
	}
	if is != version {
		return fmt.Errorf("%w: %d, this build reads %d", wire.ErrVersion, is, version)
	}
	return json.Unmarshal(data, into)
}

// versionOf is a value's version; the first builds wrote none, and mean 1.
func versionOf(data []byte) (int, error) {
	head := struct {
		Version int `json:"version"`
	}{1}
	err := json.Unmarshal(data, &head)
	return head.Version, err
}

// decodeInto puts a value into a map.
func decodeInto[K comparable, V any](data []byte, into map[K]V, key K) error {
	var v V
	if err := decode(data, &v); err != nil {
		return err
	}
	into[key] = v
	return nil
}
