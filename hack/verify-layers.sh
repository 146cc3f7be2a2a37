#!/usr/bin/env bash
# Copyright The Posthorn Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fails when a domain package depends, through whatever other package, on Kubernetes, on the engine or on
# metrics. The linter's depguard sees direct imports only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

domain=(breaker catalogue change delivery edge egress event filter payload pki problem retry schema signing when wire)
impure='^(k8s\.io|sigs\.k8s\.io|github\.com/(nats-io|prometheus|onsi|fluxcd))/'
outside='^github\.com/posthorn-dev/posthorn/(api|cmd)/'

status=0
for name in "${domain[@]}"; do
  found=$(go list -deps "./internal/$name" | grep -E "$impure|$outside" || true)
  [ -z "$found" ] && continue
  printf 'internal/%s is a domain package, and depends on:\n%s\n' "$name" "$found" >&2
  status=1
done

# What others import to use the API must not bring a controller library.
found=$(go list -deps ./api/... | grep -E '^sigs\.k8s\.io/controller-runtime' || true)
if [ -n "$found" ]; then
  printf 'api depends on:\n%s\n' "$found" >&2
  status=1
fi
exit $status
