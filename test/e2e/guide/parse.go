// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package guide

import (
	"fmt"
	"strings"
)

// Language is the info string of the fences whose content is run. Other fences, such as console and yaml, show what
// is not to be typed.
const Language = "shell"

// Block is one fenced block of commands.
type Block struct {
	// Section is the heading of the second level that the block stands under; empty before the first one.
	Section string
	// Line is the number of the block's first line in the page, from 1.
	Line int
	// Script is what stands between the fences.
	Script string
}

// Parse returns the blocks of a page in Markdown, in their order. A fence that is not closed is an error, since it
// hides what follows.
func Parse(page string) ([]Block, error) {
	var blocks []Block
	var section, fence string
	var script []string
	opened := 0
	for index, line := range strings.Split(page, "\n") {
		info, isFence := strings.CutPrefix(line, "```")
		switch {
		case opened > 0 && line == "```":
			if fence == Language {
				blocks = append(blocks, Block{Section: section, Line: opened + 1, Script: strings.Join(script, "\n") + "\n"})
			}
			opened = 0
		case opened > 0:
			script = append(script, line)
		case isFence:
			opened, fence, script = index+1, info, nil
		case strings.HasPrefix(line, "## "):
			section = strings.TrimPrefix(line, "## ")
		}
	}
	if opened > 0 {
		return nil, fmt.Errorf("line %d: the fence is not closed", opened)
	}
	return blocks, nil
}
