#!/bin/sh
# preflight.sh (npm | root | go)...: says at once everything that the goal needs and this machine lacks, each with
# the command that brings it, and fails if there is any. What make can install itself is not asked for here.
set -eu
missing=0
lacks() { echo "$1" >&2; missing=1; }

for need in "$@"; do
  case $need in
    npm)
      command -v npm >/dev/null || lacks "npm is missing: apt-get install npm"
      command -v make >/dev/null || lacks "make is missing: apt-get install make" ;;
    root)
      [ "$(id -u)" = 0 ] || lacks "root is needed to install Debian packages and to make network namespaces: run it with sudo" ;;
    go)
      found=$(go version 2>/dev/null | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p') || found=
      [ "${found:-0}" -ge 21 ] ||
        lacks "Go 1.21 or newer is missing (found: ${found:+1.}${found:-none}): apt-get install -t bookworm-backports golang-go" ;;
    *) lacks "preflight.sh does not know '$need'" ;;
  esac
done
exit $missing
