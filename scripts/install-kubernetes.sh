#!/bin/bash
# install-kubernetes.sh: brings the programs of the test cluster into build/cluster/bin: all of Kubernetes as one
# binary under several names, the provisioner, and stand-ins for two sidecars. Built by Go from
# test/e2e/cluster/farm (about 10 minutes on two cores without Go's cache) and kept compressed in the user's cache
# folder under a key of everything that goes into them.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
farm=$root/test/e2e/cluster/farm
to=$root/build/cluster/bin
programs="kubernetes csi-provisioner registrar livenessprobe"
names="kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl"

version=$(sed -n 's/^require k8s.io\/kubernetes //p' "$farm/go.mod")
key=$version-$(cd "$farm" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16)
kept=${XDG_CACHE_HOME:-$HOME/.cache}/s3files-csi-driver/kubernetes/$key

if [ "$(cat "$to/key" 2>/dev/null)" = "$key" ]; then exit 0; fi
rm -rf "$to"
mkdir -p "$to" "$kept"

build() {
  local version_package=k8s.io/component-base/version major minor
  IFS=. read -r major minor _ <<<"${version#v}"
  # Without these every version check sees v0.0.0.
  local stamp="-X $version_package.gitVersion=$version -X $version_package.gitMajor=$major -X $version_package.gitMinor=$minor"
  stamp+=" -X $version_package.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$version"
  cd "$farm"
  export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
  nice -n 10 go build -mod=readonly -trimpath -ldflags "-s -w $stamp" -o "$to/" ./kubernetes ./registrar ./livenessprobe
  nice -n 10 go build -mod=readonly -trimpath -ldflags "-s -w" -o "$to/" \
    github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner
}

missing=
for program in $programs; do [ -f "$kept/$program.zst" ] || missing=$program; done
if [ -n "$missing" ]; then
  command -v go >/dev/null || { echo "Go 1.26 or newer is needed to build Kubernetes: apt-get install golang" >&2; exit 1; }
  echo "Building Kubernetes $version (about 10 minutes on two cores without Go's cache) …"
  (build)
  for program in $programs; do
    zstd -q -3 -f "$to/$program" -o "$kept/$program.zst.$$"
    mv "$kept/$program.zst.$$" "$kept/$program.zst"
  done
else
  for program in $programs; do zstd -q -d -f "$kept/$program.zst" -o "$to/$program"; done
fi
for name in $names; do ln -sf kubernetes "$to/$name"; done
chmod 755 "$to"/*
echo "$key" >"$to/key"
