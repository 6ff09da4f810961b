import { reservedName } from "../cache/volume-state.ts";
import type { ObjectStore, RequestOptions } from "../s3/object-store.ts";
import { listedName } from "./listed-name.ts";

/** A key that no path of the volume can stand for. */
export interface UnmappableKey {
  readonly key: string;
  /** Completes "is hidden because". */
  readonly reason: string;
}

/** What a look at all keys of a volume has found. */
export interface KeyScan {
  readonly scanned: number;
  /** False when there are more keys than were to be looked at. */
  readonly isWhole: boolean;
  /** Keys that are no UTF-8: the listing cannot even tell them. */
  readonly malformed: number;
  readonly unmappable: number;
  /** The first of them. */
  readonly first: readonly UnmappableKey[];
}

/** Why a part of a key cannot be a name; undefined when it can. */
function reasonOf(part: string, atRoot: boolean): string | undefined {
  if (listedName(part, atRoot).kind !== "unmappable") return undefined;
  if (part === "") return "it has an empty part ('//')";
  if (part === "." || part === "..") return `it has the part '${part}'`;
  if (part.includes("\0")) return "it has a NUL character";
  if (Buffer.byteLength(part) > 255) return "it has a part of more than 255 bytes";
  return `'${part.slice(0, 40)}' is a name that is kept on the node`;
}

/** Why a key below the volume's prefix is hidden, other keys aside; undefined when it shows, or is ours. */
export function hiddenBecause(path: string): string | undefined {
  const parts = path.split("/");
  if (parts[0] === reservedName) return undefined;
  // The marker of a directory ends in a slash.
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  for (const [depth, part] of parts.entries()) {
    const reason = reasonOf(part, depth === 0);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/**
 * Looks at up to `maxKeys` keys below a prefix, in their order. @throws {ObjectStoreError}; rejects with the signal's
 * reason.
 */
export async function scanKeys(
  store: ObjectStore,
  query: { readonly prefix: string; readonly maxKeys: number; readonly maxShown: number },
  options: RequestOptions = {},
): Promise<KeyScan> {
  const { prefix, maxKeys, maxShown } = query;
  const first: UnmappableKey[] = [];
  /** Objects whose keys the one at hand begins with: `x` while there may still be an `x/…`. */
  let above: string[] = [];
  let [scanned, malformed, unmappable] = [0, 0, 0];
  const found = (key: string, reason: string): void => {
    unmappable += 1;
    if (first.length < maxShown) first.push({ key, reason });
  };
  let token: string | undefined;
  do {
    const page = await store.list({ prefix, ...(token === undefined ? {} : { token }) }, options);
    malformed += page.skipped;
    for (const { key } of page.objects) {
      if (key === prefix) continue;
      scanned += 1;
      above = above.filter((other) => key.startsWith(other));
      for (const other of above) {
        if (!key.startsWith(`${other}/`)) continue;
        found(other, "there are keys below it: the directory shows");
        above = above.filter((one) => one !== other);
      }
      const reason = hiddenBecause(key.slice(prefix.length));
      if (reason !== undefined) found(key, reason);
      else if (!key.endsWith("/")) above.push(key);
    }
    token = page.nextToken;
  } while (token !== undefined && scanned < maxKeys);
  return { scanned, isWhole: token === undefined, malformed, unmappable, first };
}
