#!/bin/bash
# First process of a guest (User Mode Linux), or of a mount, pid and network namespace on the host: makes the
# places that tests may write to, and hands over to the agent.
# The guest's root is the host's root, mounted read-only, so that nothing in here can change the machine.
# From the kernel command line: S3FILES_AGENT (script), S3FILES_NODE (folder of node), S3FILES_ADDRESS (of
# vec0, where there is one), S3FILES_DISK_AT (where a disk is mounted). On the host: S3FILES_ON_HOST=1 too.
export PATH=$S3FILES_NODE:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
set -eu

fresh() { mount -t tmpfs -o "mode=$1" "$2" "/$2"; }

if [ -z "${S3FILES_ON_HOST:-}" ]; then
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mkdir -p /dev/pts /dev/shm
  mount -t devpts devpts /dev/pts
  mount -t tmpfs shm /dev/shm
  hostname s3files-guest
fi
# Volumes pass from one mount namespace to the next as on a node with kubelet.
mount --make-rshared /
fresh 0755 run; fresh 1777 tmp; fresh 0755 mnt; fresh 0755 root
[ -n "${S3FILES_ON_HOST:-}" ] && mount --make-rshared /
fresh 0755 var/lib
mkdir -p /var/lib/nfs /run/lock

ip link set lo up
if [ -z "${S3FILES_ON_HOST:-}" ]; then
  # The id-mapping upcall of the first NFSv4 mount would wait 20 s for a name server.
  : > /run/resolv.conf
  mount --bind /run/resolv.conf /etc/resolv.conf
  if [ -n "${S3FILES_ADDRESS:-}" ]; then
    ip addr add "$S3FILES_ADDRESS" dev vec0
    ip link set vec0 up
  fi
  # /lib/modules may not exist, and cannot be made: let commands and the kernel's own requests find the
  # guest's modules all the same.
  mkdir -p /run/kernel/lib
  ln -s /usr/lib/uml/modules /run/kernel/lib/modules
  printf '#!/bin/sh\nexec /sbin/modprobe -d /run/kernel "$@"\n' > /run/kernel/modprobe
  chmod 755 /run/kernel/modprobe
  echo /run/kernel/modprobe > /proc/sys/kernel/modprobe
  export PATH=/run/kernel:$PATH
  modprobe nfsv4
  if [ -b /dev/ubda ]; then
    mkdir -p "$S3FILES_DISK_AT"
    mount -t ext4 -o noatime,barrier=1 /dev/ubda "$S3FILES_DISK_AT"
  fi
  stty -F /dev/ttyS0 raw -echo
  stty -F /dev/ttyS1 raw -echo
  exec perl "$S3FILES_AGENT" /dev/ttyS0 poweroff
fi
exec perl "$S3FILES_AGENT" - exit
