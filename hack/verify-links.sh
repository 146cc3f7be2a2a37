#!/usr/bin/env bash
# Copyright The Posthorn Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fails when a page of the documentation links to a file that is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

status=0
while IFS= read -r page; do
  while IFS= read -r link; do
    file=${link%%#*}
    [ -z "$file" ] || [ -e "$(dirname "$page")/$file" ] && continue
    echo "$page links to $link, which is not there" >&2
    status=1
  done < <(grep -oE '\]\([^) ]+\)' "$page" | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^[a-z]+:' || true)
done < <(git ls-files --cached --others --exclude-standard -- '*.md')
exit $status
