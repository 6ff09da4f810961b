#!/bin/bash
# stop.sh: ends a node in order, as systemd does without an inhibitor of kubelet's: services, then SIGTERM to all
# processes of containers, SIGKILL to those left after a while, file systems. The power is cut afterwards.
set -u
export PATH=/run/node/bin:$PATH
systemctl stop kubelet
containers() {
  # The cgroups of pods and nothing else.
  find /sys/fs/cgroup/kubepods -name cgroup.procs -exec cat {} + 2>/dev/null
}
kill -TERM $(containers) 2>/dev/null
for _ in $(seq 100); do
  [ -n "$(containers)" ] || break
  sleep 0.1
done
left=$(containers | wc -l)
kill -KILL $(containers) 2>/dev/null
systemctl stop containerd
# The rest hangs on servers that have ended: such mounts are left, and their file systems with them.
timeout -k 1 10 umount -a -t nfs4 -f -l
sync -f /var/lib && mount -o remount,ro /var/lib 2>/dev/null
echo "$left processes had to be killed"
