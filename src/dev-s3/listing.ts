import { S3Error } from "./error.ts";
import { compareKeys, type SortedMap } from "./sorted-map.ts";

/** One entry of a listing in order: a key, or what several keys have in common up to the delimiter. */
export type ListEntry<Value> =
  | { readonly kind: "key"; readonly key: string; readonly value: Value }
  | { readonly kind: "prefix"; readonly prefix: string };

/** What all listings have in common. */
export interface ListQuery {
  readonly prefix: string;
  /** `""` for none. */
  readonly delimiter: string;
  /** Entries, keys and common prefixes alike, must come after this. */
  readonly after: string;
}

/**
 * Walks keys in order, rolled up at the delimiter; keys of one common prefix are skipped in one step.
 * `isListed` says which keys show.
 */
export function* walkKeys<Value>(
  keys: Pick<SortedMap<Value>, "get" | "firstFrom" | "firstAfter" | "firstAfterPrefix">,
  query: ListQuery,
  isListed: (value: Value) => boolean,
): Generator<ListEntry<Value>> {
  const { prefix, delimiter, after } = query;
  let key = compareKeys(after, prefix) < 0 ? keys.firstFrom(prefix) : keys.firstAfter(after);
  if (after === "" && prefix === "") key = keys.firstFrom("");
  let rolledUp: string | undefined;
  while (key?.startsWith(prefix)) {
    const value = keys.get(key);
    const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    if (value === undefined || !isListed(value)) {
      key = keys.firstAfter(key);
    } else if (cut === -1) {
      yield { kind: "key", key, value };
      key = keys.firstAfter(key);
    } else {
      rolledUp = key.slice(0, cut + delimiter.length);
      if (compareKeys(rolledUp, after) > 0) yield { kind: "prefix", prefix: rolledUp };
      key = keys.firstAfterPrefix(rolledUp);
    }
  }
}

/** The sort key of an entry, by which a page continues. */
export function entryName(entry: ListEntry<unknown>): string {
  return entry.kind === "key" ? entry.key : entry.prefix;
}

/** At most `most` entries, and whether there are more. */
export function takePage<Entry>(
  entries: Iterable<Entry>,
  most: number,
): { readonly page: readonly Entry[]; readonly truncated: boolean } {
  const page: Entry[] = [];
  if (most === 0) return { page, truncated: false };
  for (const entry of entries) {
    if (page.length === most) return { page, truncated: true };
    page.push(entry);
  }
  return { page, truncated: false };
}

/** Parses `max-keys` and its like: 1,000 when missing or larger. @throws {S3Error} InvalidArgument. */
export function parseMaximum(text: string | undefined, name: string): number {
  if (text === undefined || text === "") return 1000;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2 ** 31 - 1) {
    throw new S3Error("InvalidArgument", {
      message: `Provided ${name} not an integer or within integer range`,
      elements: { ArgumentName: name, ArgumentValue: text },
    });
  }
  return Math.min(1000, Number(text));
}

/** Encodes a key as `encoding-type=url` wants it: form encoding, with `/` left as it is. */
function urlEncode(key: string): string {
  return encodeURIComponent(key)
    .replaceAll("%20", "+")
    .replaceAll("%2F", "/")
    .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** How keys are written in the answer. @throws {S3Error} InvalidArgument for an unknown `encoding-type`. */
export function keyEncoder(encodingType: string | undefined): (key: string) => string {
  if (encodingType === undefined) return (key) => key;
  if (encodingType !== "url") {
    throw new S3Error("InvalidArgument", {
      message: "Invalid Encoding Method specified in Request",
    });
  }
  return urlEncode;
}
