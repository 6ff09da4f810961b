import { S3Error } from "./error.ts";
import { KeyLock } from "./key-lock.ts";
import type {
  Bucket,
  BucketRecord,
  KeyRecord,
  Part,
  Segment,
  Upload,
  UploadRecord,
  Version,
} from "./model.ts";
import { SortedMap } from "./sorted-map.ts";
import type { BlobStore } from "./storage/blob-store.ts";
import type { Collection, RecordStore } from "./storage/record-store.ts";

function segmentsOf(version: Version): readonly Segment[] {
  return version.kind === "content" ? version.body : [];
}

function emptyBucket(record: BucketRecord): Bucket {
  return {
    record,
    keys: new SortedMap(),
    uploads: new Map(),
    completed: new Map(),
    deletions: new Map(),
    pending: 0,
  };
}

/**
 * Everything the server knows: buckets, keys, versions and uploads in memory, each change first written
 * to the record store. Blobs are counted by who refers to them and removed with the last reference.
 * Whoever changes a key holds its lock.
 */
export class Catalog {
  readonly #buckets = new Map<string, Bucket>();
  readonly #references = new Map<string, number>();
  readonly #lock = new KeyLock();
  readonly #blobs: BlobStore;
  readonly #records: RecordStore;

  private constructor(blobs: BlobStore, records: RecordStore) {
    this.#blobs = blobs;
    this.#records = records;
  }

  /** Loads all records, then removes the blobs that none refers to. */
  static async open(blobs: BlobStore, records: RecordStore): Promise<Catalog> {
    const catalog = new Catalog(blobs, records);
    const loaded: Record<Exclude<Collection, "bucket">, [string, unknown][]> = {
      key: [],
      upload: [],
      part: [],
    };
    for await (const { collection, id, value } of records.load()) {
      if (collection !== "bucket") loaded[collection].push([id, value]);
      else catalog.#buckets.set(id, emptyBucket(value as BucketRecord));
    }
    const uploads = new Map<string, Upload>();
    const orphans: [collection: Collection, id: string][] = [];
    for (const [id, value] of loaded.key) {
      const record = value as KeyRecord;
      const bucket = catalog.#buckets.get(id.slice(0, id.indexOf("/")));
      bucket?.keys.set(record.key, record);
      if (bucket === undefined) orphans.push(["key", id]);
      else for (const version of record.versions) catalog.retain(segmentsOf(version));
    }
    for (const [id, value] of loaded.upload) {
      const upload = { ...(value as UploadRecord), parts: new Map<number, Part>() };
      const bucket = catalog.#buckets.get(upload.bucket);
      bucket?.uploads.set(id, upload);
      if (bucket === undefined) orphans.push(["upload", id]);
      else uploads.set(id, upload);
    }
    for (const [id, value] of loaded.part) {
      const part = value as Part;
      const upload = uploads.get(id.slice(0, id.indexOf("/")));
      upload?.parts.set(part.partNumber, part);
      if (upload === undefined) orphans.push(["part", id]);
      else catalog.retain(part.body);
    }
    // A crash between two records of one change leaves a child without its parent.
    for (const [collection, id] of orphans) await records.remove(collection, id);
    await blobs.sweep((id) => catalog.#references.has(id));
    return catalog;
  }

  get blobs(): BlobStore {
    return this.#blobs;
  }

  buckets(): Bucket[] {
    return [...this.#buckets.values()];
  }

  findBucket(name: string): Bucket | undefined {
    return this.#buckets.get(name);
  }

  /** @throws {S3Error} NoSuchBucket. */
  bucket(name: string | undefined): Bucket {
    const bucket = this.#buckets.get(name ?? "");
    if (bucket === undefined) {
      throw new S3Error("NoSuchBucket", { elements: { BucketName: name ?? "" } });
    }
    return bucket;
  }

  /** @throws {S3Error} NoSuchUpload. */
  upload(bucket: Bucket, uploadId: string, key: string): Upload {
    const upload = bucket.uploads.get(uploadId);
    if (upload === undefined || upload.key !== key) {
      throw new S3Error("NoSuchUpload", { elements: { UploadId: uploadId } });
    }
    return upload;
  }

  /** Runs `task` alone among all changes of this bucket's `key` (`""`: of the bucket itself). */
  locked<Result>(bucket: string, key: string, task: () => Promise<Result>): Promise<Result> {
    return this.#lock.run(`${bucket}/${key}`, task);
  }

  async saveBucket(record: BucketRecord): Promise<void> {
    await this.#records.put("bucket", record.name, record);
    const bucket = this.#buckets.get(record.name);
    if (bucket === undefined) this.#buckets.set(record.name, emptyBucket(record));
    else bucket.record = record;
  }

  /** Removes a bucket and the uploads under way in it. @throws {S3Error} BucketNotEmpty. */
  async removeBucket(bucket: Bucket): Promise<void> {
    if (bucket.keys.size + bucket.pending > 0) throw new S3Error("BucketNotEmpty");
    this.#buckets.delete(bucket.record.name);
    await this.#records.remove("bucket", bucket.record.name);
    for (const upload of [...bucket.uploads.values()]) await this.removeUpload(bucket, upload);
  }

  /** Replaces the versions of a key; an empty list removes it. Caller holds the key's lock. */
  async saveVersions(bucket: Bucket, key: string, versions: readonly Version[]): Promise<void> {
    const id = `${bucket.record.name}/${key}`;
    const before = bucket.keys.get(key)?.versions ?? [];
    // A bucket deleted while a body was received must not get a key back.
    if (this.#buckets.get(bucket.record.name) !== bucket) throw new S3Error("NoSuchBucket");
    bucket.pending++;
    try {
      if (versions.length === 0) await this.#records.remove("key", id);
      else await this.#records.put("key", id, { key, versions });
    } finally {
      bucket.pending--;
    }
    if (versions.length === 0) bucket.keys.delete(key);
    else bucket.keys.set(key, { key, versions });
    for (const version of versions) {
      if (!before.includes(version)) this.retain(segmentsOf(version));
    }
    for (const version of before) {
      if (!versions.includes(version)) await this.release(segmentsOf(version));
    }
  }

  async saveUpload(bucket: Bucket, record: UploadRecord): Promise<void> {
    await this.#records.put("upload", record.uploadId, record);
    bucket.uploads.set(record.uploadId, { ...record, parts: new Map() });
  }

  /** Caller holds the lock of the upload's key. */
  async savePart(upload: Upload, part: Part): Promise<void> {
    await this.#records.put("part", `${upload.uploadId}/${part.partNumber}`, part);
    const before = upload.parts.get(part.partNumber);
    upload.parts.set(part.partNumber, part);
    this.retain(part.body);
    if (before !== undefined) await this.release(before.body);
  }

  /** Forgets an upload and its parts. Caller holds the lock of the upload's key. */
  async removeUpload(bucket: Bucket, upload: Upload): Promise<void> {
    bucket.uploads.delete(upload.uploadId);
    await this.#records.remove("upload", upload.uploadId);
    for (const part of upload.parts.values()) {
      await this.#records.remove("part", `${upload.uploadId}/${part.partNumber}`);
      await this.release(part.body);
    }
  }

  /** Keeps the blobs of `segments` until they are released as often. */
  retain(segments: readonly Segment[]): void {
    for (const { blob } of segments) {
      this.#references.set(blob, (this.#references.get(blob) ?? 0) + 1);
    }
  }

  async release(segments: readonly Segment[]): Promise<void> {
    for (const { blob } of segments) {
      const left = (this.#references.get(blob) ?? 0) - 1;
      if (left > 0) this.#references.set(blob, left);
      else {
        this.#references.delete(blob);
        await this.#blobs.remove(blob);
      }
    }
  }

  /** The bytes of a range of a body. Caller has retained the segments. */
  async *read(
    body: readonly Segment[],
    offsetBytes: number,
    lengthBytes: number,
  ): AsyncGenerator<Uint8Array> {
    let start = 0;
    const end = offsetBytes + lengthBytes;
    for (const segment of body) {
      const from = Math.max(offsetBytes, start);
      const to = Math.min(end, start + segment.lengthBytes);
      if (from < to) {
        const inBlob = segment.offsetBytes + from - start;
        yield* this.#blobs.read(segment.blob, inBlob, to - from);
      }
      start += segment.lengthBytes;
    }
  }
}
