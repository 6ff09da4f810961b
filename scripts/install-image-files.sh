#!/bin/sh
# install-image-files.sh <folder>: copies what this checkout has built to its places in the image. The Dockerfile and
# build-image-root.sh both call it, so that there is one layout.
#   /usr/local/bin/node, s3files-launcher    Node from the lock file; the native helper
#   /usr/local/bin/s3files                   the command
#   /opt/s3files/dist, proto, package.json   the program, what it reads
#   /usr/share/doc/s3files                   licences: ours, Node's, those of the bundled packages
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
to=$1
bin=$to/usr/local/bin
own=$to/opt/s3files
doc=$to/usr/share/doc/s3files

mkdir -p "$bin" "$own" "$doc"
node=$(ls "$root"/node_modules/node-linux-*/bin/node)
install -m 0755 "$node" "$bin/node"
install -m 0755 "$root/build/bin/s3files-launcher" "$bin/s3files-launcher"
cp -R "$root/dist" "$root/proto" "$own/"
cp "$root/package.json" "$own/"
chmod 0755 "$own/dist/main.js"
ln -sf /opt/s3files/dist/main.js "$bin/s3files"

cp "$root/LICENSE" "$doc/LICENSE"
cp "$(dirname -- "$node")/../LICENSE" "$doc/LICENSE.node"
node "$root/scripts/third-party-licences.mjs" >"$doc/LICENSES.third-party"
