import { reservedName, type VolumeState } from "../cache/volume-state.ts";
import { type ObjectKey, objectKey } from "../s3/object-store.ts";
import type { FileName } from "../vfs/name.ts";

/** Name, without `x-amz-meta-`, of the user metadata that says which file with several names an object belongs to. */
export const linkHeader = "s3files-link";

/** What the record of a file with several names says: keys, prefix included. */
export interface LinkRecord {
  readonly id: string;
  /** The object is under this key. */
  readonly primary: ObjectKey;
  /** The other names, sorted, without duplicates. */
  readonly names: readonly ObjectKey[];
  /** The random id of the state folder that wrote it, so that its own writes are known again. */
  readonly writer: string;
}

const format = 1;

/** Below it are the records of the volume at `prefix`. */
export function linkRecordsPrefix(prefix: string): string {
  return `${prefix}.s3files/links/`;
}

/** Key of a record. */
export function linkRecordKey(prefix: string, id: string): ObjectKey {
  return objectKey(`${linkRecordsPrefix(prefix)}${id}.json`);
}

/** The id that a key below {@link linkRecordsPrefix} stands for; undefined for another object. */
export function idOfLinkKey(prefix: string, key: string): string | undefined {
  return /^([0-9a-f]{32})\.json$/.exec(key.slice(linkRecordsPrefix(prefix).length))?.[1];
}

/**
 * The text of a record; names are below the prefix, so that a copy of the volume has them right. No two texts are the
 * same, so that no two records have the same ETag: a request that arrives late finds its condition broken.
 */
export function formatLinkRecord(prefix: string, record: LinkRecord, revision: number): string {
  const path = (key: string): string => key.slice(prefix.length);
  const { id, primary, names, writer } = record;
  const text = { format, id, primary: path(primary), names: names.map(path), writer, revision };
  return `${JSON.stringify(text)}\n`;
}

/** A volume's prefix, and which names it keeps on the node. */
export type RecordPlace = Pick<VolumeState, "prefix" | "isLocal">;

/** A path below the prefix as a key; undefined for what no name in this volume can be. */
function keyOf(volume: RecordPlace, path: unknown): ObjectKey | undefined {
  if (typeof path !== "string" || !path.isWellFormed()) return undefined;
  const key = volume.prefix + path;
  if (Buffer.byteLength(key) > 1024) return undefined;
  const isName = (part: string, depth: number): boolean =>
    !["", ".", ".."].includes(part) &&
    !part.includes("\0") &&
    Buffer.byteLength(part) <= 255 &&
    !(depth === 0 && part === reservedName) &&
    !volume.isLocal(part as FileName, depth === 0);
  return path.split("/").every(isName) ? objectKey(key) : undefined;
}

/** Reads what {@link formatLinkRecord} wrote; undefined for what is no record that this release can read. */
export function parseLinkRecord(
  volume: RecordPlace,
  id: string,
  text: string,
): LinkRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const primary = keyOf(volume, fields["primary"]);
  const { names, writer } = fields as { readonly names?: unknown; readonly writer?: unknown };
  if (fields["format"] !== format || primary === undefined || !Array.isArray(names)) {
    return undefined;
  }
  const keys = new Set<ObjectKey>();
  for (const path of names) {
    const key = keyOf(volume, path);
    if (key !== undefined && key !== primary) keys.add(key);
  }
  return {
    id,
    primary,
    names: [...keys].sort(),
    writer: typeof writer === "string" ? writer : "",
  };
}
