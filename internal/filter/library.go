// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// Bounds on one call. The cost of a call is charged when it has returned, so what can grow or run
// without bound inside one must be stopped there.
const (
	// maxStringBytes is how long a string gets that replace or join make: as long as an event.
	maxStringBytes = 1 << 20
	// maxParts is how many strings split makes.
	maxParts = 10_000
	// maxRegexWork bounds the bytes of a string times the bytes of the pattern. RE2 takes about 1 ns
	// for each at worst, so 1 ms.
	maxRegexWork = 1 << 20
)

// library replaces the functions of the library of strings that are not bounded, with the same
// meaning, and takes away format, whose result cannot be bounded from outside.
func library() cel.EnvOption {
	str, integer, list := cel.StringType, cel.IntType, cel.ListType(cel.StringType)
	return func(env *cel.Env) (*cel.Env, error) {
		for _, option := range []cel.EnvOption{
			cel.Function("format", cel.DisableDeclaration(true),
				cel.MemberOverload("string_format", []*cel.Type{str, cel.ListType(cel.DynType)}, str)),
			cel.Function("indexOf",
				cel.MemberOverload("string_index_of_string", []*cel.Type{str, str}, integer,
					cel.BinaryBinding(indexOf)),
				cel.MemberOverload("string_index_of_string_int", []*cel.Type{str, str, integer}, integer,
					cel.FunctionBinding(indexOfFrom))),
			cel.Function("lastIndexOf",
				cel.MemberOverload("string_last_index_of_string", []*cel.Type{str, str}, integer,
					cel.BinaryBinding(lastIndexOf)),
				cel.MemberOverload("string_last_index_of_string_int", []*cel.Type{str, str, integer}, integer,
					cel.FunctionBinding(lastIndexOfFrom))),
			cel.Function("replace",
				cel.MemberOverload("string_replace_string_string", []*cel.Type{str, str, str}, str,
					cel.FunctionBinding(replace)),
				cel.MemberOverload("string_replace_string_string_int", []*cel.Type{str, str, str, integer}, str,
					cel.FunctionBinding(replace))),
			cel.Function("split",
				cel.MemberOverload("string_split_string", []*cel.Type{str, str}, list,
					cel.FunctionBinding(split)),
				cel.MemberOverload("string_split_string_int", []*cel.Type{str, str, integer}, list,
					cel.FunctionBinding(split))),
			cel.Function("join",
				cel.MemberOverload("list_join", []*cel.Type{list}, str, cel.FunctionBinding(join)),
				cel.MemberOverload("list_join_string", []*cel.Type{list, str}, str, cel.FunctionBinding(join))),
		} {
			var err error
			if env, err = option(env); err != nil {
				return nil, fmt.Errorf("bound the library of strings: %w", err)
			}
		}
		return env, nil
	}
}

// runes returns the index in characters of an index in bytes; -1 stays.
func runes(s string, i int) ref.Val {
	if i < 0 {
		return types.Int(-1)
	}
	return types.Int(utf8.RuneCountInString(s[:i]))
}

// cut returns the index in bytes of the n-th character, the end where there are fewer; it reports
// false where n is negative.
func cut(s string, n int64) (int, bool) {
	for i := range s {
		if n <= 0 {
			return i, n == 0
		}
		n--
	}
	return len(s), n >= 0
}

func outOfRange(n int64) ref.Val { return types.NewErr("index out of range: %d", n) }

func indexOf(s, sub ref.Val) ref.Val {
	text := string(s.(types.String))
	return runes(text, strings.Index(text, string(sub.(types.String))))
}

func indexOfFrom(args ...ref.Val) ref.Val {
	text, sub, n := string(args[0].(types.String)), string(args[1].(types.String)), int64(args[2].(types.Int))
	start, ok := cut(text, n)
	if !ok {
		return outOfRange(n)
	}
	i := strings.Index(text[start:], sub)
	if i < 0 {
		return types.Int(-1)
	}
	return runes(text, start+i)
}

func lastIndexOf(s, sub ref.Val) ref.Val {
	text := string(s.(types.String))
	return runes(text, strings.LastIndex(text, string(sub.(types.String))))
}

// lastIndexOfFrom finds the last place at or before the n-th character, which has to be one of them.
func lastIndexOfFrom(args ...ref.Val) ref.Val {
	text, sub, n := string(args[0].(types.String)), string(args[1].(types.String)), int64(args[2].(types.Int))
	start, ok := cut(text, n)
	if !ok {
		return outOfRange(n)
	}
	if start == len(text) && sub != "" {
		return types.Int(-1) // as CEL has it
	}
	return runes(text, strings.LastIndex(text[:min(start+len(sub), len(text))], sub))
}

func replace(args ...ref.Val) ref.Val {
	text, old, by := string(args[0].(types.String)), string(args[1].(types.String)), string(args[2].(types.String))
	n := strings.Count(text, old)
	if len(args) == 4 {
		if most := int64(args[3].(types.Int)); most >= 0 && most < int64(n) {
			n = int(most)
		}
	}
	if len(text)+n*(len(by)-len(old)) > maxStringBytes {
		return types.NewErr("replace makes a string of more than %d bytes", maxStringBytes)
	}
	return types.String(strings.Replace(text, old, by, n))
}

func split(args ...ref.Val) ref.Val {
	text, separator, most := string(args[0].(types.String)), string(args[1].(types.String)), -1
	if len(args) == 3 {
		most = int(max(min(int64(args[2].(types.Int)), maxParts+1), -1))
	}
	if most < 0 || most > maxParts {
		most = maxParts + 1
	}
	parts := strings.SplitN(text, separator, most)
	if len(parts) > maxParts {
		return types.NewErr("split makes more than %d strings", maxParts)
	}
	return types.DefaultTypeAdapter.NativeToValue(parts)
}

func join(args ...ref.Val) ref.Val {
	separator := ""
	if len(args) == 2 {
		separator = string(args[1].(types.String))
	}
	var b strings.Builder
	first := true
	for it := args[0].(traits.Lister).Iterator(); it.HasNext() == types.True; first = false {
		s, ok := it.Next().(types.String)
		if !ok {
			return types.NewErr("join takes a list of strings")
		}
		if b.Len()+len(separator)+len(s) > maxStringBytes {
			return types.NewErr("join makes a string of more than %d bytes", maxStringBytes)
		}
		if !first {
			b.WriteString(separator)
		}
		b.WriteString(string(s))
	}
	return types.String(b.String())
}

// boundedMatches compiles the pattern of matches together with the expression, and bounds the work
// of each call. Patterns are literals: checkLiterals refuses the others.
var boundedMatches = &interpreter.RegexOptimization{
	Function:   "matches",
	RegexIndex: 1,
	Factory: func(call interpreter.InterpretableCall, pattern string) (interpreter.InterpretableCall, error) {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, err
		}
		return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
			s, ok := args[0].(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(args[0])
			}
			if len(s)*len(pattern) > maxRegexWork {
				return types.NewErr("the string is too long for a pattern of %d bytes", len(pattern))
			}
			return types.Bool(re.MatchString(string(s)))
		}), nil
	},
}
