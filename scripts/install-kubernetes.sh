#!/bin/bash
# install-kubernetes.sh: brings the programs of the test cluster into build/cluster/bin: all of Kubernetes as one
# binary under several names, the provisioner, and stand-ins for two sidecars. Built by Go from
# test/e2e/cluster/farm and kept compressed in the user's cache folder under a key of everything that goes into them.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/kept-programs.sh"
farm=$root/test/e2e/cluster/farm
to=$root/build/cluster/bin
names="kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl"

version=$(sed -n 's/^require k8s.io\/kubernetes //p' "$farm/go.mod")
key=$version-$(cd "$farm" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16)
if [ "$(cat "$to/key" 2>/dev/null)" = "$key" ]; then exit 0; fi

build() {
  cd "$farm"
  # A proxy that takes connections and does not answer must not hold up the tests.
  local patient="timeout -k 10 1500 nice -n 10"
  export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
  $patient go build -mod=readonly -trimpath -ldflags "$(go_stamp "$version")" -o "$to/" ./kubernetes ./registrar ./livenessprobe
  $patient go build -mod=readonly -trimpath -ldflags "-s -w" -o "$to/" \
    github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner
}

keep_programs kubernetes "$key" "$to" "Kubernetes $version (about 10 minutes on two cores without Go's cache)" \
  kubernetes csi-provisioner registrar livenessprobe
for name in $names; do ln -sf kubernetes "$to/$name"; done
echo "$key" >"$to/key"
