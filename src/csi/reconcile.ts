import type { Log } from "../base/log.ts";
import { mountedTargets } from "./mounted.ts";
import { isVolumeMount, mountAt } from "./mountinfo.ts";
import type { NodeDependencies } from "./node-dependencies.ts";

/**
 * Compares the journal with what is mounted, when the process starts, and says in the log what differs. Nothing is
 * changed: kubelet asks for what it wants, and every call starts from journal and mountinfo anyway.
 * @returns how many differences there are.
 */
export async function reportDrift(
  { journal, mounter }: Pick<NodeDependencies, "journal" | "mounter">,
  log: Log,
): Promise<number> {
  const records = await journal.list();
  const mounts = await mounter.mounts();
  const known = new Set<string>();
  let differences = 0;
  for (const record of records) {
    const { volumeId, stagingPath, state } = record;
    const path = await mounter.canonicalPath(stagingPath);
    known.add(path);
    for (const { targetPath } of record.publications) {
      known.add(await mounter.canonicalPath(targetPath));
    }
    const entry = mountAt(mounts, path);
    const isMounted = entry !== undefined && isVolumeMount(entry);
    const targets = await mountedTargets(record, mounter);
    if (isMounted && targets.length === record.publications.length) continue;
    differences += 1;
    log.warn(
      "A volume is recorded and not mounted as recorded: a restart of the machine, or of a call",
      {
        ...{ volumeId, state, stagingPath, isMounted },
        ...{ recordedTargets: record.publications.length, mountedTargets: targets.length },
      },
    );
  }
  for (const { mountPoint } of mounts.filter(isVolumeMount)) {
    if (known.has(mountPoint)) continue;
    differences += 1;
    log.warn("A volume is mounted where no record says so", { mountPoint });
  }
  return differences;
}
