#!/bin/bash
# install-external-suite.sh: brings Kubernetes' own end-to-end tests (e2e.test), the program inside their pods (agnhost)
# and the runner of such tests (ginkgo) into build/external. Built by Go from test/e2e/cluster/external/suite and kept
# compressed in the user's cache folder under a key of everything that goes into them.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/kept-programs.sh"
suite=$root/test/e2e/cluster/external/suite
to=$root/build/external

version=$(sed -n 's/^require k8s.io\/kubernetes //p' "$suite/go.mod")
key=$version-$(cat "$suite/go.mod" "$suite/go.sum" "$0" | sha256sum | cut -c1-16)
if [ "$(cat "$to/key" 2>/dev/null)" = "$key" ]; then exit 0; fi

build() {
  local stamp
  stamp=$(go_stamp "$version")
  cd "$suite"
  export CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false -trimpath"
  nice -n 10 go build -ldflags "-s -w" -o "$to/" github.com/onsi/ginkgo/v2/ginkgo
  nice -n 10 go build -ldflags "$stamp" -o "$to/" k8s.io/kubernetes/test/images/agnhost
  nice -n 10 go test -c -ldflags "$stamp" -o "$to/e2e.test" k8s.io/kubernetes/test/e2e
}

keep_programs external "$key" "$to" "the end-to-end tests of Kubernetes $version (about 3 minutes)" \
  e2e.test agnhost ginkgo
echo "$key" >"$to/key"
