/**
 * What a node says of a volume that it has staged, in the volume's own bucket: `<prefix>.s3files/nodes/<node>.json`.
 * It stands until the volume is unstaged there and S3 has everything. Format 1; a reader takes what it does not know
 * for a record that stands.
 */
export interface NodeRecord {
  readonly format: 1;
  readonly node: string;
  /** Counts the nodes that have had the volume, as far as their records told. */
  readonly epoch: number;
  /** Made anew with each record: a record with another claim is another one, whatever its node. */
  readonly claim: string;
  /** ISO 8601, UTC: when the node began, and when it last said what is pending. */
  readonly since: string;
  readonly updated: string;
  readonly pendingBytes: number;
  /** Age of the oldest pending change at `updated`; 0 when nothing was pending. */
  readonly oldestPendingMs: number;
}

/** Below it are the records of the volume at `prefix`. */
export function nodeRecordsPrefix(prefix: string): string {
  return `${prefix}.s3files/nodes/`;
}

/** Key of a node's record. */
export function nodeRecordKey(prefix: string, node: string): string {
  return `${nodeRecordsPrefix(prefix)}${encodeURIComponent(node)}.json`;
}

/** The node that a key below {@link nodeRecordsPrefix} stands for; undefined for another object. */
export function nodeOfKey(prefix: string, key: string): string | undefined {
  const name = /^([^/]+)\.json$/.exec(key.slice(nodeRecordsPrefix(prefix).length))?.[1];
  if (name === undefined) return undefined;
  try {
    return decodeURIComponent(name);
  } catch (error) {
    if (error instanceof URIError) return name;
    throw error;
  }
}

/** The record in a text; one that cannot be read stands all the same, with nothing known. */
export function parseNodeRecord(node: string, text: string): NodeRecord {
  const known = fieldsOf(text);
  const word = (value: unknown) => (typeof value === "string" ? value : "");
  const count = (value: unknown) => (Number.isSafeInteger(value) ? (value as number) : 0);
  return {
    format: 1,
    node,
    epoch: count(known.epoch),
    claim: word(known.claim),
    since: word(known.since),
    updated: word(known.updated),
    pendingBytes: count(known.pendingBytes),
    oldestPendingMs: count(known.oldestPendingMs),
  };
}

function fieldsOf(text: string): Partial<Record<keyof NodeRecord, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** What a record says, for people: node, since when, and what S3 does not have. */
export function describeNodeRecord(record: NodeRecord, nowMs: number): string {
  const { node, since, updated, pendingBytes, oldestPendingMs } = record;
  const updatedMs = Date.parse(updated);
  const agoMs = Number.isNaN(updatedMs) ? 0 : Math.max(0, nowMs - updatedMs);
  const isClean = pendingBytes === 0 && oldestPendingMs === 0;
  const pending = isClean
    ? "with nothing pending"
    : `with ${pendingBytes} bytes pending, the oldest change ${Math.round((oldestPendingMs + agoMs) / 1000)} s old`;
  const asOf = Number.isNaN(updatedMs) ? "" : ` as of ${Math.round(agoMs / 1000)} s ago`;
  return `node ${node}${since === "" ? "" : ` since ${since}`} ${pending}${asOf}`;
}
