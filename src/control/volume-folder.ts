import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { ControlError } from "./error.ts";
import type { Leftover } from "./messages.ts";
import { parseGroups, parseVolumeSpec } from "./parse-volume-spec.ts";
import type { VolumeSpec } from "./volume-spec.ts";

/** Format of `volume.json`; a reader refuses a newer one. A new optional field is no new format. */
const format = 1;

/** What is kept of a volume between its server's runs: `volume.json` in its folder. */
export interface VolumeRecord {
  readonly format: 1;
  /** {@link volumeIdentity} of the specification. */
  readonly identity: string;
  readonly spec: VolumeSpec;
}

const digest = (value: unknown) =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);

/** A digest of what a volume is, as opposed to how it is served: the same handle with another one is refused. */
export function volumeIdentity(spec: VolumeSpec): string {
  return digest([spec.volumeId, spec.bucket, spec.prefix, spec.endpoint ?? spec.region]);
}

/** A digest of the whole specification, the order of its fields aside. */
export function specDigest(spec: VolumeSpec): string {
  return digest(Object.entries(spec).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Replaces a file so that a crash leaves the old content or the new, both whole and on the disk. */
export function replaceFile(path: string, content: string): void {
  const beside = `${path}.new`;
  const file = openSync(beside, "w", 0o600);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
  syncFolder(dirname(path));
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The JSON in a file; undefined when there is no file. @throws {ControlError} invalid when it is no JSON. */
export function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new ControlError("invalid", `${path} is damaged`, { cause });
  }
}

/** The record in a volume's folder; undefined when there is none. @throws {ControlError} invalid */
export function readVolumeRecord(folder: string): VolumeRecord | undefined {
  const path = join(folder, "volume.json");
  const value = readJson(path) as VolumeRecord | undefined;
  if (value === undefined) return undefined;
  if (value?.format !== format) {
    throw new ControlError("invalid", `${path} has format ${value?.format}, not ${format}`);
  }
  return { format, identity: String(value.identity), spec: parseVolumeSpec(value.spec) };
}

/** Keeps the specification in the volume's folder, and the folder, durably. */
export function writeVolumeRecord(folder: string, spec: VolumeSpec): void {
  const record: VolumeRecord = { format, identity: volumeIdentity(spec), spec };
  replaceFile(join(folder, "volume.json"), `${JSON.stringify(record)}\n`);
  // The folder's own name: what a server syncs below it is nothing without that.
  syncFolder(dirname(folder));
}

/** The groups that the volume was last given; none when it was given none. @throws {ControlError} invalid */
export function readGroups(folder: string): readonly number[] {
  const value = readJson(join(folder, "groups.json"));
  return value === undefined ? [] : parseGroups(value);
}

/** Keeps the volume's groups for its next server. */
export function writeGroups(folder: string, gids: readonly number[]): void {
  replaceFile(join(folder, "groups.json"), `${JSON.stringify(gids)}\n`);
}

/** What a server left when it ended gracefully; undefined when it was killed, or has not run. */
export function readLeftover(folder: string): Leftover | undefined {
  return readJson(join(folder, "leftover.json")) as Leftover | undefined;
}

/** Takes back what an earlier server said, durably: after a power cut it must not stand for what came later. */
export function removeLeftover(folder: string): void {
  rmSync(join(folder, "leftover.json"), { force: true });
  syncFolder(folder);
}

/** Says what a server leaves, as its last act. */
export function writeLeftover(folder: string, leftover: Leftover): void {
  replaceFile(join(folder, "leftover.json"), `${JSON.stringify(leftover)}\n`);
}
