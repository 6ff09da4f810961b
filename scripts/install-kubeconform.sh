#!/bin/sh
# Installs kubeconform into build/bin of this checkout, and the schemas of two Kubernetes releases into
# build/kubernetes-schemas, unless they are there. Needs Go 1.21 or newer.
set -eu

version=v0.8.0
# The oldest release that the chart supports, and the newest that is tested.
releases="v1.31.0 v1.36.1"
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
command -v go >/dev/null || { echo "Go 1.21 or newer is needed to build kubeconform: apt-get install golang" >&2; exit 1; }

if [ ! -x "$root/build/bin/kubeconform" ]; then
  echo "Building kubeconform $version …"
  mkdir -p "$root/build/bin"
  CGO_ENABLED=0 GOBIN=$root/build/bin go install -trimpath -ldflags "-s -w" "github.com/yannh/kubeconform/cmd/kubeconform@$version"
fi
cd /
for release in $releases; do
  folder=$root/build/kubernetes-schemas/$release
  [ ! -d "$folder" ] || continue
  echo "Making the schemas of Kubernetes $release …"
  source=$(go mod download -json "k8s.io/kubernetes@$release" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  node "$root/scripts/kubernetes-schemas.mjs" "$source/api/openapi-spec/swagger.json" "$folder"
done
