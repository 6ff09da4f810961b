import type { SkipReason } from "./report.ts";

/**
 * Why specs of the External Storage suite skip themselves, one entry per kind of message. A skip that none of them
 * matches fails the run. When the driver learns one of these things, its entry goes and its capability enters
 * driver.yaml.
 */
export const skipReasons: readonly SkipReason[] = [
  {
    said: /does not support volume type "(InlineVolume|PreprovisionedPV)"/,
    because: "the suite has such volumes for drivers within Kubernetes only",
  },
  {
    said: /does not support volume type "CSIInlineVolume"/,
    because: "no CSI inline volumes: pods take generic ephemeral ones",
  },
  {
    said: /doesn't support (ext3|ext4|xfs|ntfs) -- skipping/,
    because: "volumes have no disk format",
  },
  {
    said: /doesn't support Block -- skipping|does not provide raw block|does not support block volume|read only raw block/,
    because: "no block volumes",
  },
  {
    said: /Filesystem volume case should be covered by block volume case/,
    because: "written for block volumes only",
  },
  { said: /doesn't publish storage capacity/, because: "a bucket has no capacity to publish" },
  { said: /does not support topology/, because: "a bucket is reached from every node" },
  {
    said: /(does not support|doesn't support) (volume )?(snapshots?\b|snapshotting|snapshot metadata|populating data from snapshot|group ?snapshot)|doesn't specify (volume group )?snapshot stress/,
    because: "no snapshots yet",
  },
  { said: /does not support (cloning|volume clone)/, because: "no clones yet" },
  {
    said: /does not support ((online|offline) )?volume expansion|does not support filesystem resizing|test for expansion/,
    because: "no expansion yet",
  },
  {
    said: /does not support VolumeAttributesClass|has no configured VolumeAttributesClass|doesn't specify volume modify stress/,
    because: "no live changes yet",
  },
  {
    said: /does not support volume limits/,
    because: "shown by a scenario: the spec would mount as many volumes as a node may have",
  },
  { said: /does not support SELinuxMount/, because: "no SELinux contexts on NFS mounts" },
  {
    said: /supports VolumeMountGroup, which is incompatible with this test/,
    because: "nothing is chowned: the driver applies fsGroup itself",
  },
  {
    said: /doesn't specify performance test options/,
    because: "measures provisioning of hundreds of volumes against figures of its own",
  },
  {
    said: /Number of available nodes is less than/,
    because: "a second node",
    lacking: true,
  },
  { said: /No SSH Key for provider/, because: "SSH to the nodes", lacking: true },
];
