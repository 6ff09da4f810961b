/** The kinds of records: a bucket, all versions of a key, a multipart upload, one part of it. */
export const collections = ["bucket", "key", "upload", "part"] as const;
/** One of {@link collections}. */
export type Collection = (typeof collections)[number];

/** A stored record, as it is loaded. */
export interface StoredRecord {
  readonly collection: Collection;
  readonly id: string;
  readonly value: unknown;
}

/** Small JSON records by collection and id. Each write is atomic and, where the store is on disk, durable. */
export interface RecordStore {
  load(): AsyncIterable<StoredRecord>;
  put(collection: Collection, id: string, value: unknown): Promise<void>;
  remove(collection: Collection, id: string): Promise<void>;
}
