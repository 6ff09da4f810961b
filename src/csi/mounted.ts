import type { Mounter } from "./mounter.ts";
import { isVolumeMount, mountAt } from "./mountinfo.ts";
import type { StageRecord } from "./stage-journal.ts";

/** The recorded target paths at which a volume is mounted now. */
export async function mountedTargets(record: StageRecord, mounter: Mounter): Promise<string[]> {
  const mounts = await mounter.mounts();
  const targets: string[] = [];
  for (const { targetPath } of record.publications) {
    const entry = mountAt(mounts, await mounter.canonicalPath(targetPath));
    if (entry !== undefined && isVolumeMount(entry)) targets.push(targetPath);
  }
  return targets;
}

/** Unmounts every volume mount stacked at `path`; other mounts below them stay. */
export async function unmountVolume(path: string, mounter: Mounter): Promise<void> {
  for (;;) {
    const entry = mountAt(await mounter.mounts(), path);
    if (entry === undefined || !isVolumeMount(entry)) return;
    await mounter.unmount(path);
  }
}
