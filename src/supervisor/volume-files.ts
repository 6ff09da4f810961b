import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../base/log.ts";
import { ControlError } from "../control/error.ts";
import {
  readLeftover,
  readVolumeRecord,
  specDigest,
  volumeIdentity,
  writeVolumeRecord,
} from "../control/volume-folder.ts";
import type { VolumeSpec } from "../control/volume-spec.ts";
import type { VolumePaths } from "./volume-paths.ts";

/**
 * Whether nothing in the volume's folder is missing in S3: its server said so when it ended, or none has ever
 * opened it. Caller: the server has ended.
 */
export function hasNothingPending(folder: string): boolean {
  const leftover = readLeftover(folder);
  if (leftover === undefined) return !existsSync(join(folder, "state"));
  return Object.values(leftover).every((count) => count === 0);
}

/**
 * Writes the specification into the volume's folder unless it is there.
 * @throws {ControlError} identity when the folder is another volume's.
 */
export function keepSpec(folder: string, spec: VolumeSpec): void {
  const known = readVolumeRecord(folder);
  if (known !== undefined && known.identity !== volumeIdentity(spec)) {
    const { bucket, prefix, endpoint, region } = known.spec;
    throw new ControlError(
      "identity",
      `Volume ${spec.volumeId} is known on this node as bucket '${bucket}', prefix '${prefix}' at ${endpoint ?? region}; it cannot become another one`,
    );
  }
  if (known !== undefined && specDigest(known.spec) === specDigest(spec)) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeVolumeRecord(folder, spec);
}

/** Removes what a supervisor that died was removing. */
export async function finishRemovals(folder: string, log: Log): Promise<void> {
  try {
    for (const name of readdirSync(folder)) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  } catch (error) {
    log.warn("Cannot remove what was left of stopped volumes", { folder, error });
  }
}

/** Removes the paths that server, holder and keeper leave. Caller: they have ended. */
export function removeRunFiles(paths: VolumePaths): void {
  const { holderSocket, holderLock, keeperSocket, keeperLock } = paths;
  const { serverSocket, serverLock, preparedSocket, output } = paths;
  for (const path of [
    ...[holderSocket, holderLock, keeperSocket, keeperLock],
    ...[serverSocket, serverLock, preparedSocket, output],
  ]) {
    rmSync(path, { force: true });
  }
}

/** Removes credentials, folder and marker of a volume; the marker last, so that a crash before it comes back to this. */
export async function removeVolumeFiles(paths: VolumePaths): Promise<void> {
  const { credentials, folder, removed, marker } = paths;
  rmSync(credentials, { force: true });
  await rm(removed, { recursive: true, force: true });
  // In one step: a start after a crash must not find half of a state and take it for a whole one.
  if (existsSync(folder)) renameSync(folder, removed);
  rmSync(marker, { force: true });
  await rm(removed, { recursive: true, force: true });
}
