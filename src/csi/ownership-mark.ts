import { createHash } from "node:crypto";
import { isReservedKey } from "./parameters.ts";

/** The driver's name as CSI plugin; also the mark's owner. */
export const driverName = "s3files.csi.dev";

const policies = ["delete", "retain", "archive"] as const;
const states = ["owned", "deleting", "released", "archived"] as const;

/**
 * What says that a bucket or prefix is ours: the JSON object `<prefix>.s3files/volume.json`. Only what
 * carries it is ever deleted. Format 1; a reader refuses a higher number, fields are only ever added.
 *
 * It names its own place, so that a copy of a whole bucket does not pass for a volume of ours.
 */
export interface OwnershipMark {
  readonly format: 1;
  readonly driver: string;
  /** Name in the CreateVolume request. */
  readonly name: string;
  readonly volumeId: string;
  readonly bucket: string;
  readonly prefix: string;
  /** {@link parametersDigest} of the request. */
  readonly parameters: string;
  readonly capacityBytes: number;
  /** Whether the bucket was made for this volume and goes with it. */
  readonly createdBucket: boolean;
  /** False when the prefix held objects before it was ours: they stay. */
  readonly ownsContents: boolean;
  readonly onDelete: (typeof policies)[number];
  /**
   * `deleting`: DeleteVolume has begun to remove the contents · `released`: deleted with `onDelete: retain`; the
   * data is nobody's, a new volume may take it over · `archived`: deleted with `onDelete: archive`; the data stays
   * as it is, and no volume ever takes its place.
   */
  readonly state: (typeof states)[number];
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** ISO 8601, UTC: when a deletion was first asked for and had to wait for nodes that have the volume. */
  readonly deletionAskedAt?: string;
}

/** Key of the mark of the volume below `prefix`. */
export function markKey(prefix: string): string {
  return `${prefix}.s3files/volume.json`;
}

/** Below it each node that has the volume staged keeps a record. */
export function nodesPrefix(prefix: string): string {
  return `${prefix}.s3files/nodes/`;
}

/** The node that keeps the record with this key. */
export function nodeOfRecord(prefix: string, key: string): string {
  const name = key.slice(nodesPrefix(prefix).length).replace(/\.json$/, "");
  try {
    return decodeURIComponent(name);
  } catch (error) {
    if (error instanceof URIError) return name;
    throw error;
  }
}

/** Below it a bucket that holds volumes in prefixes has an entry for each. */
export const indexPrefix = ".s3files/volumes/";

/** No prefix has a part `.s3files`, so that no entry lies below another one's key. */
const indexEnd = ".s3files/volume";

/** Key of the entry of the volume below `prefix`, which ends in `/`. */
export function indexKey(prefix: string): string {
  return `${indexPrefix}${prefix}${indexEnd}`;
}

/** The prefix that an index entry stands for; undefined for another key. */
export function indexedPrefix(key: string): string | undefined {
  const isEntry = key.startsWith(indexPrefix) && key.endsWith(`/${indexEnd}`);
  return isEntry ? key.slice(indexPrefix.length, -indexEnd.length) : undefined;
}

/** The mark's text. */
export function formatMark(mark: OwnershipMark): string {
  return `${JSON.stringify(mark, undefined, 2)}\n`;
}

/** The mark in `text`, or undefined when it is not one that this version can read. */
export function parseMark(text: string): OwnershipMark | undefined {
  let value: Partial<Record<keyof OwnershipMark, unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const strings = ["name", "volumeId", "bucket", "prefix", "parameters", "createdAt"] as const;
  const valid =
    value.format === 1 &&
    value.driver === driverName &&
    strings.every((field) => typeof value[field] === "string") &&
    Number.isSafeInteger(value.capacityBytes) &&
    ["undefined", "string"].includes(typeof value.deletionAskedAt) &&
    typeof value.createdBucket === "boolean" &&
    typeof value.ownsContents === "boolean" &&
    (policies as readonly unknown[]).includes(value.onDelete) &&
    (states as readonly unknown[]).includes(value.state);
  return valid ? (value as OwnershipMark) : undefined;
}

/** Identifies a set of our parameters, whatever their order; Kubernetes' own keys do not count. */
export function parametersDigest(parameters: Readonly<Record<string, string>>): string {
  const own = Object.entries(parameters)
    .filter(([key]) => !isReservedKey(key))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(own)).digest("hex");
}
