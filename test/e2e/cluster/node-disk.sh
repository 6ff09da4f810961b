#!/bin/bash
# node-disk.sh <archives> <disk>: makes an ext4 disk for /var/lib of a node, with all images of the folder in
# containerd's store; importing them in a guest would take several times as long.
set -euo pipefail
archives=$1
disk=$2
work=$(mktemp -d "$disk.XXXXXX")
containerd_pid=
finish() {
  [ -z "$containerd_pid" ] || { kill "$containerd_pid" 2>/dev/null && wait "$containerd_pid" || true; }
  rm -rf "$work"
}
trap finish EXIT

# A socket's path may have no more than 107 bytes.
state=$(mktemp -d /tmp/s3files-images.XXXXXX)
trap 'finish; rm -rf "$state"' EXIT
mkdir -p "$work/root/containerd" "$work/root/kubelet"
cat >"$work/containerd.toml" <<CONFIG
version = 2
root = "$work/root/containerd"
state = "$state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$state/socket"
CONFIG
containerd -c "$work/containerd.toml" >"$disk.log" 2>&1 &
containerd_pid=$!
client() { ctr -a "$state/socket" -n k8s.io "$@"; }
for _ in $(seq 100); do client version >/dev/null 2>&1 && break; sleep 0.1; done
for archive in "$archives"/*.tar; do client images import "$archive" >/dev/null; done
kill "$containerd_pid"
wait "$containerd_pid" || true
containerd_pid=

rm -f "$disk"
truncate -s 8G "$work/disk"
PATH=$PATH:/usr/sbin:/sbin mkfs.ext4 -q -F -E lazy_itable_init=1,nodiscard -d "$work/root" "$work/disk"
mv "$work/disk" "$disk"
