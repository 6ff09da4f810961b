#!/bin/sh
# build-image-root.sh <folder>: the image's files without Docker, for tests: what this project builds at the places of
# the Dockerfile, and of this machine's Debian the programs that it runs, with their libraries. Root is not needed.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
to=$1
rm -rf "$to.partial"
mkdir -p "$to.partial"
to_partial=$(CDPATH='' cd -- "$to.partial" && pwd)

# program <path>: a program of this machine with its libraries. libraries <path>: what it loads, where that is here.
program() {
  [ -x "$1" ] || { echo "$1 is missing on this machine" >&2; exit 1; }
  mkdir -p "$to_partial$(dirname -- "$1")"
  cp -L "$1" "$to_partial$1"
  libraries "$1"
}

libraries() {
  for file in $(ldd "$1" | grep -o '/[^ )]*'); do
    mkdir -p "$to_partial$(dirname -- "$file")"
    cp -L "$file" "$to_partial$file"
  done
}

# What csi's mounter runs, what a shell in the container is good for, and PID 1.
for name in mount umount sync sh cat ls; do program "/bin/$name"; done
program /usr/bin/env
program /usr/bin/tini

mkdir -p "$to_partial"/etc/ssl/certs "$to_partial"/tmp "$to_partial"/usr/local/bin "$to_partial"/opt/s3files \
  "$to_partial"/proc "$to_partial"/sys "$to_partial"/dev "$to_partial"/run "$to_partial"/var/lib
chmod 1777 "$to_partial/tmp"
cp -L /etc/ssl/certs/ca-certificates.crt "$to_partial/etc/ssl/certs/"
printf 'root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532:nonroot:/:/bin/sh\n' >"$to_partial/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$to_partial/etc/group"
printf 'hosts: files dns\n' >"$to_partial/etc/nsswitch.conf"

"$root/scripts/install-image-files.sh" "$to_partial"
libraries "$to_partial/usr/local/bin/node"
rm -rf "$to"
mv "$to.partial" "$to"
