// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
)

// NewEnv returns the environment of filters: the variable event, the standard functions and macros
// of CEL, optional values (event.?subject), and the libraries of strings, mathematics and base64.
// Numbers compare across types, so that event.data.total > 100 holds for 100.5 as for 101. What
// could burn a CPU or fill the memory within one call is bounded or left out (library.go).
func NewEnv() (*cel.Env, error) { return newEnv(true) }

func newEnv(withOrigin bool) (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make registry of types: %w", err)
	}
	env, err := cel.NewEnv(
		cel.CustomTypeProvider(&provider{Registry: registry, withOrigin: withOrigin}),
		cel.CustomTypeAdapter(registry),
		cel.Variable(eventVariable, eventType),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.EagerlyValidateDeclarations(true),
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(5)),
		ext.Math(),
		ext.Encoders(),
		library(),
	)
	if err != nil {
		return nil, fmt.Errorf("make environment of CEL: %w", err)
	}
	return env, nil
}

// Environments are costly to make and safe to share: one for filters, one for transforms, which do
// not see the origin, since it never leaves Posthorn.
var (
	filterEnv    = sync.OnceValues(func() (*cel.Env, error) { return newEnv(true) })
	transformEnv = sync.OnceValues(func() (*cel.Env, error) { return newEnv(false) })
)

// provider adds the type of event to the standard types.
type provider struct {
	*types.Registry
	withOrigin bool
}

// FindStructType finds the type of event.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if name == eventVariable {
		return types.NewTypeTypeWithParam(eventType), true
	}
	return p.Registry.FindStructType(name)
}

// FindStructFieldType finds an attribute of event.
func (p *provider) FindStructFieldType(structType, name string) (*types.FieldType, bool) {
	if structType == eventVariable {
		return field(name, p.withOrigin)
	}
	return p.Registry.FindStructFieldType(structType, name)
}
