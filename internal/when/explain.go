// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"

	"github.com/posthorn-dev/posthorn/internal/filter"
)

// maxListed is how many names a message lists.
const maxListed = 12

// explain turns what the compiler says into a refusal with the place and the remedy.
func explain(env *cel.Env, p *provider, expression string, issue *common.Error) *Error {
	e := &Error{Line: issue.Location.Line(), Column: issue.Location.Column() + 1, Message: filter.Bound(issue.Message)}
	if name, ok := quoted(issue.Message, "undefined field '"); ok {
		e.Message = explainField(env, p, expression, issue.ExprID, name)
		return e
	}
	if name, ok := quoted(issue.Message, "undeclared reference to '"); ok {
		e.Message = explainName(env, p, name)
		return e
	}
	switch {
	case strings.HasPrefix(issue.Message, "found no matching overload"):
		e.Message += `; write values of types that go together, converted where they do not, such as int(object.metadata.labels["size"]) > 3`
	case strings.HasPrefix(issue.Message, "expected type 'bool'"):
		e.Message += `; on both sides of && and || write what is true or false, such as operation == "Updated"`
	default:
		e.Message += "; correct it, expressions are written in CEL, see https://cel.dev"
	}
	return e
}

// quoted returns what stands in quotes behind a prefix.
func quoted(message, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(message, prefix)
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(rest, "'")
	return name, ok
}

// explainName is about an identifier that is neither a variable nor a function.
func explainName(env *cel.Env, p *provider, name string) string {
	message := fmt.Sprintf("%q is not known; the variables are object, oldObject and operation", name)
	if root, ok := p.root(env); ok {
		if _, f := root.field(name); f != nil {
			return message + fmt.Sprintf("; did you mean object.%s?", name)
		}
	}
	known := []string{objectVariable, oldObjectVariable, operationVariable}
	for function := range env.Functions() {
		if _, operator := operators.FindReverse(function); !operator {
			known = append(known, function)
		}
	}
	if nearest := filter.Nearest(name, known); nearest != "" {
		message += fmt.Sprintf("; did you mean %s?", nearest)
	}
	return message
}

// explainField is about a field that the schema does not have.
func explainField(env *cel.Env, p *provider, expression string, id int64, name string) string {
	path, owner := name, (*node)(nil)
	if parsed, issues := env.Parse(expression); issues.Err() == nil {
		for _, e := range ast.MatchDescendants(ast.NavigateAST(parsed.NativeRep()), func(e ast.NavigableExpr) bool { return e.ID() == id }) {
			path = pathOf(e)
		}
	}
	asked := map[string]string{}
	again, err := env.Extend(cel.CustomTypeProvider(&recorder{provider: p, asked: asked}))
	if err == nil {
		_, _ = again.Compile(expression)
		owner = p.named[asked[name]]
	}
	if name == managedFields {
		return path + " is not shown to expressions, since it changes with every write; leave it out"
	}
	message := path + " does not exist"
	if owner == nil {
		return message + "; write a field that the schema of the kind has"
	}
	names := slices.Sorted(maps.Keys(owner.fields))
	if nearest := filter.Nearest(name, names); nearest != "" {
		return message + "; the nearest is " + nearest
	}
	for _, child := range names {
		if f := owner.fields[child]; f.kind == object && f.fields[name] != nil {
			return message + fmt.Sprintf("; did you mean %s.%s?", strings.TrimSuffix(path, name)+child, name)
		}
	}
	if len(names) > maxListed {
		names = append(names[:maxListed], "…")
	}
	return message + "; what there is: " + strings.Join(names, ", ")
}

// pathOf returns a field as the expression has it, from its variable where nothing but names leads there.
func pathOf(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.SelectKind:
		return join(pathOf(e.AsSelect().Operand()), e.AsSelect().FieldName())
	case ast.CallKind:
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case operators.OptSelect:
			name, _ := args[1].AsLiteral().Value().(string)
			return join(pathOf(args[0]), name)
		case operators.Index:
			if from := pathOf(args[0]); from != "" {
				return from + "[…]"
			}
		}
	}
	return ""
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// root returns the type of object, where it has one.
func (p *provider) root(env *cel.Env) (*node, bool) {
	for _, v := range env.Variables() {
		if v.Name() == objectVariable && v.Type().Kind() == types.StructKind {
			n, ok := p.named[v.Type().TypeName()]
			return n, ok
		}
	}
	return nil, false
}

// recorder remembers which type was asked for a field that it does not have.
type recorder struct {
	*provider
	asked map[string]string
}

// FindStructFieldType remembers the type where it has no such field.
func (r *recorder) FindStructFieldType(structType, name string) (*types.FieldType, bool) {
	f, ok := r.provider.FindStructFieldType(structType, name)
	if !ok && r.asked[name] == "" {
		r.asked[name] = structType
	}
	return f, ok
}
