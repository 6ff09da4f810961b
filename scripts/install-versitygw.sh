#!/bin/sh
# Installs versitygw, the independent S3 server that the contract suite also runs against, into build/bin
# of this checkout, unless it is there. Needs Go 1.21 or newer, which fetches the toolchain it asks for.
set -eu

version=v1.8.0
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
binary=$root/build/bin/versitygw

if [ -x "$binary" ] && "$binary" --version 2>/dev/null | grep -q "${version#v}"; then
  echo "versitygw $version is installed"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "Go 1.21 or newer is needed to build versitygw: apt-get install golang" >&2
  exit 1
fi
mkdir -p "$root/build/bin"
echo "Building versitygw $version (about two minutes) …"
GOBIN=$root/build/bin go install "github.com/versity/versitygw/cmd/versitygw@$version"
