#!/bin/sh
# Installs helm into build/bin of this checkout, unless it is there. Needs Go 1.21 or newer, which fetches the
# toolchain it asks for. A built one is kept in the user's cache folder for other checkouts.
set -eu

version=v3.21.4
# The Kubernetes that `helm template` takes for the cluster's unless it is told.
minor=36
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
binary=$root/build/bin/helm
kept=${XDG_CACHE_HOME:-$HOME/.cache}/s3files-csi-driver/bin/helm-$version-$minor

if [ -x "$binary" ] && [ "$("$binary" version --template '{{.Version}}' 2>/dev/null)" = "$version" ]; then
  exit 0
fi
mkdir -p "$root/build/bin" "$(dirname -- "$kept")"
if [ ! -x "$kept" ]; then
  command -v go >/dev/null || { echo "Go 1.21 or newer is needed to build helm: apt-get install golang" >&2; exit 1; }
  echo "Building helm $version (two to three minutes on two cores without Go's cache) …"
  p=helm.sh/helm/v3
  set -- -X "$p/internal/version.version=$version"
  for package in pkg/lint/rules pkg/chartutil; do
    set -- "$@" -X "$p/$package.k8sVersionMajor=1" -X "$p/$package.k8sVersionMinor=$minor"
  done
  CGO_ENABLED=0 GOBIN=$root/build/bin nice -n 10 go install -trimpath -ldflags "-s -w $*" "$p/cmd/helm@$version"
  cp "$binary" "$kept.new.$$" && mv "$kept.new.$$" "$kept"
  exit 0
fi
cp "$kept" "$binary.new.$$" && mv "$binary.new.$$" "$binary"
