#!/usr/bin/env bash
# Copyright The Posthorn Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Installs the chart into a real cluster and sees it work: test/e2e, which says what it sees.
#
#   KUBECONFIG=… LOAD='kind load image-archive' hack/e2e.sh
#
# uses a cluster that you have and that has no Posthorn. LOAD is the command that loads an image's archive, which it
# gets as its last argument; LOAD=true where the images are there already, as localhost/posthorn-…:dev.
#
# Without KUBECONFIG it brings up a single node of its own, which takes root and $CLUSTER_TOOLS, a directory with
# build.sh, up.sh and down.sh, by default ../shared/cluster beside the repository. They build Kubernetes and
# containerd from Go modules, once, into the cache that hack/controlplane.sh uses too; the node is taken down
# however this ends.
#
# With the argument "find" it only says, by its exit status, whether it could bring one up.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=${CLUSTER_TOOLS:-$root/../shared/cluster}
cache=${POSTHORN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/posthorn}/cluster
timeout=${E2E_TIMEOUT:-40m}
suite= # the process of the tests, while they run

say() { printf '%s\n' "$*" >&2; }

own_cluster_possible() {
  [ "$(id -u)" = 0 ] && [ -x "$tools/build.sh" ] && [ -x "$tools/up.sh" ] && [ -x "$tools/down.sh" ]
}

# build_cluster prints the directory of the cluster's binaries, which it builds unless a former run has. They are
# kept by what build.sh says, so that a newer one builds anew.
build_cluster() {
  local key target
  key=$(cat "$tools/build.sh" "$tools"/k*/*.go "$tools"/k*/*/*.go 2>/dev/null | sha256sum | cut -c1-12)
  target=$cache/$key
  if [ ! -e "$target/complete" ]; then
    mkdir -p "$cache"
    exec 9>"$cache/.lock"
    flock 9
    if [ ! -e "$target/complete" ]; then
      say "Building a cluster from Go modules into $target"
      say "This happens once and takes about 8 minutes on 2 cores; the next start takes seconds."
      BIN=$target SET=node "$tools/build.sh" >"$cache/$key.log" 2>&1 || {
        tail -20 "$cache/$key.log" >&2
        say "The cluster could not be built; see $cache/$key.log"
        return 1
      }
      touch "$target/complete"
    fi
    exec 9>&-
  fi
  echo "$target"
}

# start_cluster brings up a node and sets what reaches it.
start_cluster() {
  BIN=$(build_cluster)
  DIR=$(mktemp -d "${TMPDIR:-/tmp}/posthorn-e2e-XXXXXX")
  export BIN DIR
  trap stop_cluster EXIT
  say "Starting a cluster in $DIR"
  MODE=node PORT=${E2E_PORT:-17443} "$tools/up.sh" >/dev/null
  export KUBECONFIG=$DIR/admin.kubeconfig LOAD=$DIR/load
  make_volumes
}

# make_volumes gives the node volumes that pods without root may write to, as clusters commonly do. Those that its
# own controller makes belong to root, and fsGroup does not count for host paths.
make_volumes() {
  local i
  kubectl delete storageclass standard >/dev/null
  for i in 1 2 3 4; do mkdir "$DIR/pv/volume-$i" && chmod 0777 "$DIR/pv/volume-$i"; done
  {
    cat <<'YAML'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
YAML
    for i in 1 2 3 4; do
      cat <<YAML
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume-$i}
spec:
  storageClassName: standard
  capacity: {storage: 100Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: /tmp/hostpath_pv/volume-$i, type: Directory}
YAML
    done
  } | kubectl apply -f - >/dev/null
}

stop_cluster() {
  local status=$?
  trap '' INT TERM HUP
  say "Taking the cluster down"
  "$tools/down.sh" || say "The cluster in $DIR did not go down"
  exit "$status"
}

# interrupt lets the tests collect what they have seen, and ends; the node goes down on the way out.
interrupt() {
  trap '' INT TERM HUP
  [ -n "$suite" ] && kill -TERM "$suite" 2>/dev/null && wait "$suite"
  exit 130
}

# find_programs puts helm and kubectl on the PATH, of the versions that this repository names.
find_programs() {
  go build -C "$root" -modfile=hack/tools/helm/go.mod -o bin/e2e/ helm.sh/helm/v4/cmd/helm
  export PATH=$root/bin/e2e:$PATH
  command -v kubectl >/dev/null && return
  ln -sf "$("$root/hack/controlplane.sh")/kubectl" "$root/bin/e2e/kubectl"
}

main() {
  if [ "${1:-}" = find ]; then
    own_cluster_possible
    return
  fi
  if [ -z "${KUBECONFIG:-}" ] && ! own_cluster_possible; then
    say "There is no cluster. Either name one, and what loads images into it:"
    say "  KUBECONFIG=… LOAD='kind load image-archive' make e2e"
    say "or run this as root with CLUSTER_TOOLS=…, the directory of build.sh, up.sh and down.sh."
    return 1
  fi
  trap interrupt INT TERM HUP
  export CGO_ENABLED=0
  find_programs
  [ -n "${KUBECONFIG:-}" ] || start_cluster
  : "${LOAD:?the command that loads an image archive into the cluster, such as: kind load image-archive}"
  export LOAD
  # The tests run in the background, so that a signal is seen at once, and as a program of their own, so that it
  # reaches them.
  go test -C "$root" -c -tags=e2e -o bin/e2e/e2e.test ./test/e2e
  cd "$root/test/e2e"
  "$root/bin/e2e/e2e.test" -test.timeout="$timeout" -ginkgo.v -ginkgo.no-color ${E2E_ARGS:-} &
  suite=$!
  wait "$suite"
}

# One line, so that an edit of this file while it runs cannot change what is read later.
main "$@"; exit
