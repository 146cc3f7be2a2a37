#!/usr/bin/env bash
# Copyright The Posthorn Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Finds or builds the control plane that tests and the demo run: etcd, kube-apiserver,
# kube-controller-manager and kubectl. Prints their directory on standard output and everything else on
# standard error, so that a caller can write assets=$(hack/controlplane.sh).
#
# Looked at in this order:
#   1. $KUBEBUILDER_ASSETS, if it holds all four (what setup-envtest downloads has no kube-controller-manager);
#   2. the cache, $POSTHORN_CACHE or else $XDG_CACHE_HOME/posthorn or else ~/.cache/posthorn;
#   3. a build from the Go module beside this script, into that cache.
#
# With the argument "find" it does not build: it exits with status 1 when there is nothing to be found.
set -euo pipefail

module=$(cd "$(dirname "${BASH_SOURCE[0]}")/controlplane" && pwd)
components=(etcd kube-apiserver kube-controller-manager kubectl)

say() { printf '%s\n' "$*" >&2; }

# required prints the version of a module that go.mod requires, without its leading v.
required() { awk -v module="$1" '$1 == module && $2 != "=>" { print substr($2, 2); exit }' "$module/go.mod"; }

complete() {
  local name
  for name in "${components[@]}"; do [ -x "$1/$name" ] || return 1; done
}

kubernetes=$(required k8s.io/kubernetes)
etcd=$(required go.etcd.io/etcd/server/v3)
cache=${POSTHORN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/posthorn}/controlplane
target=$cache/v$kubernetes-etcd$etcd

# link_flags makes the binaries report the version they were built from; without it the server calls itself
# v0.0.0-master, which kubectl and Helm refuse to parse.
link_flags() {
  local package major=${kubernetes%%.*} minor=${kubernetes#*.}
  printf '%s' '-s -w'
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf ' -X %s=%s' \
      "$package.gitVersion" "v$kubernetes" "$package.gitMajor" "$major" \
      "$package.gitMinor" "${minor%%.*}" "$package.gitTreeState" clean
  done
}

# progress turns the names of the packages that go build prints into one line for every tenth of the way.
progress() {
  local total=$1 seen=0 shown=0 tenth line
  while IFS= read -r line; do
    case $line in
      'go: downloading '*) ;;
      *[!a-zA-Z0-9./_~-]*) say "$line" ;; # a package's name has none of these: an error or a warning
      *)
        seen=$((seen + 1)) tenth=$((10 * seen / total))
        [ "$tenth" -gt "$shown" ] && shown=$tenth &&
          say "  compiled $seen of $total packages after $((SECONDS / 60)) min $((SECONDS % 60)) s"
        ;;
    esac
  done
  return 0
}

# build fills a directory beside the target and renames it, so that an interrupted build leaves no half target.
build() {
  local total name
  work=$(mktemp -d "$cache/.build-XXXXXX")
  trap 'rm -rf "$work"' EXIT

  say "Building Kubernetes $kubernetes and etcd $etcd into $target"
  say "This happens once and takes 6 to 8 minutes on 2 cores; the next start takes seconds."
  export CGO_ENABLED=0 GOWORK=off
  cd "$module"
  SECONDS=0
  total=$(go list -deps . 2>/dev/null | wc -l)
  go build -v -buildvcs=false -ldflags="$(link_flags)" -o "$work/controlplane" . 2>&1 | progress "$total"
  for name in "${components[@]}"; do ln -s controlplane "$work/$name"; done
  chmod 755 "$work"
  rm -rf "$target"
  mv "$work" "$target"
  say "Built in $((SECONDS / 60)) min $((SECONDS % 60)) s"
}

main() {
  if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    if complete "$KUBEBUILDER_ASSETS"; then
      echo "$KUBEBUILDER_ASSETS"
      return
    fi
    say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS lacks one of: ${components[*]}; using the cache instead"
  fi

  if ! complete "$target"; then
    if [ "${1:-}" = find ]; then
      say "There is no control plane in $target; build one with: make controlplane"
      return 1
    fi
    mkdir -p "$cache"
    # Two makes at once shall not build twice. Where there is no flock they do, and the second rename wins.
    if command -v flock >/dev/null; then
      exec 9>"$cache/.lock"
      flock -n 9 || { say "Waiting for another build of the control plane"; flock 9; }
    fi
    complete "$target" || build
  fi
  echo "$target"
}

# One line, so that an edit of this file while it builds cannot change what is read after the build.
main "$@"; exit
