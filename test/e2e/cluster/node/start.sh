#!/bin/bash
# start.sh: makes a guest a Kubernetes node: cgroups, pod network, containerd, kubelet. Runs in the guest, whose disk is
# at /var/lib. NODE: its name, ADDRESS: its own, PODS: subnet of its pods, GATEWAY: the control plane's end of its
# network, BIN, CERTIFICATES: folders of the host. Logs are in /var/lib/node-logs.
set -euo pipefail
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

hostname "$NODE"
ip route replace default via "$GATEWAY"
echo 1 >/proc/sys/net/ipv4/ip_forward
for module in overlay fuse llc stp bridge veth; do modprobe "$module"; done

# Controllers can be given to children only of a group without processes.
mkdir -p /sys/fs/cgroup/init
for process in $(cat /sys/fs/cgroup/cgroup.procs); do
  # Threads of the kernel stay where they are: a moved one with real-time priority would keep the controller `cpu` back.
  if [ -e "/proc/$process/exe" ]; then echo "$process" >/sys/fs/cgroup/init/cgroup.procs; fi
done
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control; done

# Pods' logs go with a reboot, and so does what network plugins keep: they do not sync it, and fail on what a power cut
# leaves of it.
mount -t tmpfs -o mode=0755 log /var/log
mkdir -p /var/lib/cni
mount -t tmpfs -o mode=0755 cni /var/lib/cni
mkdir -p /var/lib/nfs /var/lib/kubelet /var/lib/node-logs /run/node/cni
# kubelet asks for the clock's frequency, which this kernel does not know.
{
  grep -v '^$' /proc/cpuinfo
  printf 'cpu MHz\t\t: 2000.000\nphysical id\t: 0\ncore id\t\t: 0\n\n'
} >/run/node/cpuinfo
mount --bind /run/node/cpuinfo /proc/cpuinfo
# What kubelet wants to find.
echo 1 >/proc/sys/vm/overcommit_memory
echo 10 >/proc/sys/kernel/panic
echo 1 >/proc/sys/kernel/panic_on_oops

fill() { sed -e "s#@PODS@#$PODS#g" -e "s#@NODE@#$NODE#g" -e "s#@CERTIFICATES@#$CERTIFICATES#g" "$here/$1" >"$2"; }
fill pods.conflist /run/node/cni/pods.conflist
fill kubelet.yaml /run/node/kubelet.yaml
cp "$here/containerd.toml" /run/node/containerd.toml

# A service manager of two services, under the name that tests and people know.
mkdir -p /run/node/bin
cat >/run/node/bin/systemctl <<SCRIPT
#!/bin/bash
# systemctl start | stop | restart | is-active | status  kubelet | containerd
action=\$1 service=\${2%.service}
case \$service in
  containerd) command="containerd -c /run/node/containerd.toml" ;;
  kubelet)
    command="$BIN/kubelet --config=/run/node/kubelet.yaml --kubeconfig=$CERTIFICATES/$NODE.kubeconfig"
    command+=" --hostname-override=$NODE --node-ip=$ADDRESS --root-dir=/var/lib/kubelet --v=1"
    # Its statistics take a good part of a guest's CPU.
    command+=" --housekeeping-interval=60s --global-housekeeping-interval=5m" ;;
  *) echo "no service \$service" >&2; exit 5 ;;
esac
runs() { [ -f /run/node/\$service.pid ] && kill -0 "\$(cat /run/node/\$service.pid)" 2>/dev/null; }
start() {
  runs && return
  setsid \$command >>/var/lib/node-logs/\$service.log 2>&1 </dev/null &
  echo \$! >/run/node/\$service.pid
}
stop() {
  runs || return 0
  kill "\$(cat /run/node/\$service.pid)"
  for _ in \$(seq 100); do runs || return 0; sleep 0.1; done
  kill -KILL "\$(cat /run/node/\$service.pid)"
}
case \$action in
  start) start ;;
  stop) stop ;;
  restart) stop; start ;;
  is-active | status) if runs; then echo active; else echo inactive; exit 3; fi ;;
  *) echo "systemctl does not know \$action" >&2; exit 2 ;;
esac
SCRIPT
chmod 755 /run/node/bin/systemctl
/run/node/bin/systemctl start containerd
for _ in $(seq 300); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
/run/node/bin/systemctl start kubelet
