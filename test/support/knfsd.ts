import type { Guest } from "./guest.ts";

/** Starts the kernel's own NFS server in a guest, over the file system at /mnt/export, and makes /mnt/volume. */
export async function startKnfsd(guest: Guest): Promise<void> {
  await guest.check(`set -eu
modprobe nfsd
mkdir -p /mnt/volume /var/lib/nfs/{rpc_pipefs,v4recovery,nfsdcltrack}
mount -t nfsd nfsd /proc/fs/nfsd
mount -t rpc_pipefs rpc_pipefs /var/lib/nfs/rpc_pipefs
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
exportfs -o rw,no_root_squash,fsid=0,insecure,no_subtree_check '*:/mnt/export'
rpc.mountd -N2 -N3
echo 10 > /proc/fs/nfsd/nfsv4leasetime
echo 10 > /proc/fs/nfsd/nfsv4gracetime
rpc.nfsd -N3 -U 4
`);
}
