#!/usr/bin/env bash
# Copyright The Posthorn Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fails when the working tree differs from what is committed, files that git does not know included.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "$(git status --porcelain)" ]; then
  echo "The tree is clean: everything generated is fresh."
  exit
fi
git --no-pager diff --stat >&2
git --no-pager diff >&2
git status --short >&2
echo "The tree is not clean. Run make generate and commit what it made, with its source." >&2
exit 1
