#!/bin/sh
# install-packages.sh <Debian package>...: installs those that are not installed, and says which.
set -eu
missing=
for package in "$@"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "apt-get: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# The lists of a fresh machine are empty or old: fetch them only when the first attempt fails.
# shellcheck disable=SC2086 # one word per package
apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
  echo "apt-get: updating the package lists"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
