// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import "reflect"

// FileType is the type of the file, whose fields the chart's schema lists too.
var FileType = reflect.TypeFor[file]()
