import type { Codec } from "../../xdr/codec.ts";
import { XdrReader } from "../../xdr/reader.ts";
import { XdrWriter } from "../../xdr/writer.ts";
import type { Ledger } from "./ledger.ts";

/**
 * How records of one kind lie in the store. A value is
 *
 * | bytes | what                                                                |
 * |-------|---------------------------------------------------------------------|
 * | 4     | version of the kind's format, big endian                            |
 * | …     | the record's XDR (RFC 4506) by `codec`, nothing after it            |
 *
 * A changed codec gets the next version and reads the one before. A version from the future is refused.
 * The store's own checksums and transactions guard the bytes.
 */
export interface RecordFormat<T> {
  readonly kind: string;
  readonly version: number;
  readonly codec: Codec<T>;
  readonly keyOf: (record: T) => Uint8Array;
  /** How a record of the version before is read; absent: there is none. */
  readonly previous?: (reader: XdrReader) => T;
}

/** A record that this release cannot read; it names the kind. */
export class UnreadableRecord extends Error {
  constructor(kind: string, version: number, known: number) {
    super(`State record ${kind} has format ${version}; this release reads ${known}`);
    this.name = "UnreadableRecord";
  }
}

/** The value of a record as bytes of their own. */
export function encodeRecord<T>(format: RecordFormat<T>, record: T): Uint8Array {
  const writer = new XdrWriter();
  writer.u32(format.version);
  format.codec.encode(writer, record);
  return writer.toBuffer();
}

/** @throws {UnreadableRecord} for another version, XdrError for damaged bytes. */
export function decodeRecord<T>(format: RecordFormat<T>, value: Uint8Array): T {
  const reader = new XdrReader(value);
  const version = reader.u32();
  const decode =
    version === format.version
      ? (from: XdrReader) => format.codec.decode(from)
      : version === format.version - 1
        ? format.previous
        : undefined;
  if (decode === undefined) throw new UnreadableRecord(format.kind, version, format.version);
  const record = decode(reader);
  reader.end();
  return record;
}

/** Bytes as a key of a `Map`. */
export function mapKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** Records of a table by something else than their key. */
export interface Index<K, T> {
  get(key: K): readonly T[];
  count(key: K): number;
}

/** Immutable records of one kind, in memory and in the store; a change is a new record under the same key. */
export class RecordTable<T> {
  readonly #format: RecordFormat<T>;
  readonly #ledger: Ledger;
  readonly #records = new Map<string, T>();
  readonly #indexes: { readonly add: (record: T) => void; readonly remove: (record: T) => void }[] =
    [];

  /** Loads what the store has. */
  constructor(format: RecordFormat<T>, ledger: Ledger) {
    this.#format = format;
    this.#ledger = ledger;
    for (const { key, value } of ledger.scan(format.kind)) {
      this.#records.set(mapKey(key), decodeRecord(format, value));
    }
  }

  /** An index that follows the table. */
  indexBy<K>(keyOf: (record: T) => K): Index<K, T> {
    const entries = new Map<K, Set<T>>();
    const add = (record: T) => {
      const key = keyOf(record);
      const set = entries.get(key);
      if (set === undefined) entries.set(key, new Set([record]));
      else set.add(record);
    };
    const remove = (record: T) => {
      const key = keyOf(record);
      const set = entries.get(key);
      set?.delete(record);
      if (set?.size === 0) entries.delete(key);
    };
    for (const record of this.#records.values()) add(record);
    this.#indexes.push({ add, remove });
    return {
      get: (key) => [...(entries.get(key) ?? [])],
      count: (key) => entries.get(key)?.size ?? 0,
    };
  }

  get(key: Uint8Array): T | undefined {
    return this.#records.get(mapKey(key));
  }

  all(): readonly T[] {
    return [...this.#records.values()];
  }

  get size(): number {
    return this.#records.size;
  }

  /** Keeps `record`, in place of the one with its key. Inside a transaction only. */
  put(record: T): void {
    const key = this.#format.keyOf(record);
    this.#ledger.put(this.#format.kind, key, encodeRecord(this.#format, record));
    const before = this.#records.get(mapKey(key));
    this.#swap(mapKey(key), record);
    this.#ledger.onRollback(() => this.#swap(mapKey(key), before));
  }

  /** Removes a record. Inside a transaction only. */
  delete(record: T): void {
    const key = this.#format.keyOf(record);
    this.#ledger.delete(this.#format.kind, key);
    const before = this.#records.get(mapKey(key));
    this.#swap(mapKey(key), undefined);
    this.#ledger.onRollback(() => this.#swap(mapKey(key), before));
  }

  #swap(key: string, after: T | undefined): void {
    const before = this.#records.get(key);
    if (before !== undefined) {
      for (const index of this.#indexes) index.remove(before);
    }
    if (after === undefined) {
      this.#records.delete(key);
    } else {
      this.#records.set(key, after);
      for (const index of this.#indexes) index.add(after);
    }
  }
}
