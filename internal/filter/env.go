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
	variables, err := eventOptions(withOrigin)
	if err != nil {
		return nil, err
	}
	return newEnvOf(variables)
}

// newEnvOf is newEnv for other variables than event.
func newEnvOf(variables cel.EnvOption) (*cel.Env, error) {
	env, err := cel.NewEnv(
		variables,
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

// eventOptions declare the variable event.
func eventOptions(withOrigin bool) (cel.EnvOption, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make registry of types: %w", err)
	}
	return func(env *cel.Env) (*cel.Env, error) {
		for _, option := range []cel.EnvOption{
			cel.CustomTypeProvider(&provider{Registry: registry, withOrigin: withOrigin}),
			cel.CustomTypeAdapter(registry),
			cel.Variable(eventVariable, eventType),
		} {
			if env, err = option(env); err != nil {
				return nil, fmt.Errorf("declare event: %w", err)
			}
		}
		return env, nil
	}, nil
}

// newCheapEnv returns the environment that cheap filters run in.
func newCheapEnv(full *cel.Env) (*cel.Env, error) {
	variables, err := eventOptions(true)
	if err != nil {
		return nil, err
	}
	return slimEnv(full, variables, cheapFunctions)
}

// slimEnv returns the environment to run what calls no other functions than these. A program keeps a table of all
// functions of its environment, 15 KB for all those of NewEnv, and most expressions call a few.
func slimEnv(full *cel.Env, variables cel.EnvOption, functions map[string]bool) (*cel.Env, error) {
	options := []cel.EnvOption{variables}
	if functions["or"] || functions["orValue"] {
		options = append(options, cel.OptionalTypes()) // the interpreter has steps of its own for them
	}
	for name, function := range full.Functions() {
		if functions[name] {
			options = append(options, cel.FunctionDecls(function))
		}
	}
	env, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("make environment of a few functions: %w", err)
	}
	return env, nil
}

// Environments are costly to make and safe to share: one for filters, one for transforms, which do
// not see the origin, since it never leaves Posthorn.
var (
	filterEnv    = sync.OnceValues(func() (*cel.Env, error) { return newEnv(true) })
	transformEnv = sync.OnceValues(func() (*cel.Env, error) { return newEnv(false) })
	cheapEnv     = sync.OnceValues(func() (*cel.Env, error) {
		full, err := filterEnv()
		if err != nil {
			return nil, err
		}
		return newCheapEnv(full)
	})
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
