#!/bin/sh
# Installs csi-sanity, the CSI project's own test program, into build/bin of this checkout, unless this version is
# there. Needs Go 1.21 or newer, which fetches the toolchain it asks for.
set -eu

version=v5.5.0
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
binary=$root/build/bin/csi-sanity

if [ -x "$binary" ] && go version -m "$binary" 2>/dev/null | grep -q "csi-test/v5[[:space:]]$version"; then
  echo "csi-sanity $version is installed"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "Go 1.21 or newer is needed to build csi-sanity: apt-get install golang" >&2
  exit 1
fi
mkdir -p "$root/build/bin"
echo "Building csi-sanity $version (about a minute) …"
# Without the C library, so that it runs in any guest.
CGO_ENABLED=0 GOBIN=$root/build/bin go install "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@$version"
