// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"reflect"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestLibrary_MeansWhatItReplaces holds our bounded functions against those of CEL.
func TestLibrary_MeansWhatItReplaces(t *testing.T) {
	t.Parallel()
	ours, err := NewEnv()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := cel.NewEnv(ext.Strings(ext.StringsVersion(5)))
	if err != nil {
		t.Fatal(err)
	}
	for _, expression := range []string{
		`"tacocat".indexOf("")`, `"tacocat".indexOf("ac")`, `"tacocat".indexOf("x")`, `"añb🌎c".indexOf("c")`, `"".indexOf("")`,
		`"tacocat".indexOf("a", 3)`, `"tacocat".indexOf("", 7)`, `"tacocat".indexOf("a", 6)`, `"añb🌎c".indexOf("c", 2)`,
		`"tacocat".indexOf("a", -1)`, `"tacocat".indexOf("a", 99)`,
		`"tacocat".lastIndexOf("")`, `"tacocat".lastIndexOf("at")`, `"tacocat".lastIndexOf("none")`, `"añb🌎b".lastIndexOf("b")`,
		`"tacocat".lastIndexOf("a", 3)`, `"tacocat".lastIndexOf("a", 0)`, `"tacocat".lastIndexOf("a", 99)`, `"tacocat".lastIndexOf("a", 7)`, `"tacocat".lastIndexOf("", 7)`, `"tacocat".lastIndexOf("t", 6)`, `"tacocat".lastIndexOf("at", 5)`, `"añb🌎b".lastIndexOf("b", 3)`,
		`"hello hello".replace("he", "we")`, `"hello hello".replace("he", "we", -1)`, `"hello hello".replace("he", "we", 1)`,
		`"hello hello".replace("he", "we", 0)`, `"hello".replace("", "_")`, `"hello".replace("", "_", 2)`, `"a".replace("a", "")`,
		`"a b c".split(" ")`, `"a b c".split(" ", 0)`, `"a b c".split(" ", 1)`, `"a b c".split(" ", 2)`, `"a b c".split(" ", -1)`,
		`"añ🌎".split("")`, `"".split("")`, `"".split(",")`,
		`["a", "b"].join()`, `["a", "b"].join("-")`, `[].join("-")`, `["", "", ""].join("-")`, `["a", ""].join("-")`,
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			got, want := result(t, ours, expression), result(t, theirs, expression)
			if got != want {
				t.Errorf("got %s, CEL says %s", got, want)
			}
		})
	}
}

// jsonType is how CEL converts to JSON.
var jsonType = reflect.TypeFor[*structpb.Value]()

// result evaluates to text; all failures are alike.
func result(t *testing.T, env *cel.Env, expression string) string {
	t.Helper()
	checked, issues := env.Compile(`dyn(` + expression + `)`)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	p, err := env.Program(checked)
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := p.Eval(cel.NoVars())
	if err != nil {
		return "a failure"
	}
	text, err := v.ConvertToNative(jsonType)
	if err != nil {
		t.Fatal(err)
	}
	return text.(interface{ String() string }).String()
}
