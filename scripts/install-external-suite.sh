#!/bin/bash
# install-external-suite.sh: brings Kubernetes' own end-to-end tests (e2e.test), the program inside their pods (agnhost)
# and the runner of such tests (ginkgo) into build/external. Built by Go from test/e2e/cluster/external/suite (about
# 3 minutes on two cores when Kubernetes itself is in Go's cache) and kept compressed in the user's cache folder under a
# key of everything that goes into them.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
suite=$root/test/e2e/cluster/external/suite
to=$root/build/external
programs="e2e.test agnhost ginkgo"

version=$(sed -n 's/^require k8s.io\/kubernetes //p' "$suite/go.mod")
key=$version-$(cat "$suite/go.mod" "$suite/go.sum" "$0" | sha256sum | cut -c1-16)
kept=${XDG_CACHE_HOME:-$HOME/.cache}/s3files-csi-driver/external/$key

if [ "$(cat "$to/key" 2>/dev/null)" = "$key" ]; then exit 0; fi
rm -rf "$to"
mkdir -p "$to" "$kept"

build() {
  local component=k8s.io/component-base/version major minor stamp
  IFS=. read -r major minor _ <<<"${version#v}"
  # Without these every version check sees v0.0.0.
  stamp="-X $component.gitVersion=$version -X $component.gitMajor=$major -X $component.gitMinor=$minor"
  stamp+=" -X $component.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$version"
  cd "$suite"
  export CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false -trimpath"
  nice -n 10 go build -ldflags "-s -w" -o "$to/" github.com/onsi/ginkgo/v2/ginkgo
  nice -n 10 go build -ldflags "-s -w $stamp" -o "$to/" k8s.io/kubernetes/test/images/agnhost
  nice -n 10 go test -c -ldflags "-s -w $stamp" -o "$to/e2e.test" k8s.io/kubernetes/test/e2e
}

missing=
for program in $programs; do [ -f "$kept/$program.zst" ] || missing=$program; done
if [ -n "$missing" ]; then
  command -v go >/dev/null || { echo "Go 1.26 or newer is needed to build Kubernetes' tests: apt-get install golang" >&2; exit 1; }
  echo "Building the end-to-end tests of Kubernetes $version (about 3 minutes) …"
  (build)
  for program in $programs; do
    zstd -q -3 -f "$to/$program" -o "$kept/$program.zst.$$"
    mv "$kept/$program.zst.$$" "$kept/$program.zst"
  done
else
  for program in $programs; do zstd -q -d -f "$kept/$program.zst" -o "$to/$program"; done
fi
chmod 755 "$to"/*
echo "$key" >"$to/key"
