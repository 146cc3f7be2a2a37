// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// maxInstructions is how many instructions the patterns of one schema may have together. A{1000} is
	// 1,000 of them, some 40 KB.
	maxInstructions = 20_000
	// workPerStep is how many bytes times instructions count as one step: in the worst case a pattern
	// takes 5 ns for each.
	workPerStep = 64
)

// patterns compiles the patterns of one schema, each once.
type patterns struct {
	spend    func(steps int)
	compiled map[string]*pattern
	left     int
}

func newPatterns(spend func(int)) *patterns {
	return &patterns{spend: spend, compiled: map[string]*pattern{}, left: maxInstructions}
}

// pattern is a regular expression that pays for its work.
type pattern struct {
	*regexp.Regexp
	instructions int
	spend        func(steps int)
}

// MatchString reports whether the text contains a match.
func (p *pattern) MatchString(text string) bool {
	p.spend(len(text) * p.instructions / workPerStep)
	return p.Regexp.MatchString(text)
}

// compile is the engine of the validator.
func (p *patterns) compile(text string) (jsonschema.Regexp, error) {
	if known, ok := p.compiled[text]; ok {
		return known, nil
	}
	// What package regexp does, for the number of instructions that it does not tell.
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%w; patterns are those of RE2, without look-ahead and back-references", err)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if p.left -= len(program.Inst); p.left < 0 {
		return nil, errors.New("the patterns of the schema are too large together; write smaller numbers of repetitions")
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	made := &pattern{compiled, len(program.Inst), p.spend}
	p.compiled[text] = made
	return made, nil
}
