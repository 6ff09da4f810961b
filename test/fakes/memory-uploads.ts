import { createHash } from "node:crypto";
import type { Clock } from "../../src/base/clock.ts";
import {
  type ETag,
  type ListedUpload,
  type ObjectHeaders,
  type ObjectKey,
  ObjectStoreError,
  type ObjectStoreErrorCode,
  type UploadedPart,
} from "../../src/s3/object-store.ts";

interface Part {
  readonly data: Buffer;
  readonly etag: string;
}

interface Upload {
  readonly key: ObjectKey;
  readonly headers: ObjectHeaders;
  readonly parts: Map<number, Part>;
  readonly initiatedMs: number;
}

/** The multipart uploads of a bucket in memory, with S3's rules on part numbers, sizes and order. */
export class MemoryUploads {
  readonly #uploads = new Map<string, Upload>();
  readonly #bucket: string;
  readonly #minPartBytes: number;
  readonly #clock: Clock;
  #count = 0;

  constructor(bucket: string, minPartBytes: number, clock: Clock) {
    this.#clock = clock;
    this.#bucket = bucket;
    this.#minPartBytes = minPartBytes;
  }

  create(key: ObjectKey, headers: ObjectHeaders): string {
    const uploadId = `upload-${++this.#count}`;
    const initiatedMs = Number(this.#clock.nowNs() / 1_000_000n);
    this.#uploads.set(uploadId, { key, headers, parts: new Map(), initiatedMs });
    return uploadId;
  }

  unfinished(): ListedUpload[] {
    return [...this.#uploads].map(([uploadId, { key, initiatedMs }]) => ({
      ...{ key, uploadId, initiatedMs },
      initiator: "memory",
    }));
  }

  hasParts(key: ObjectKey, uploadId: string): boolean {
    const upload = this.#uploads.get(uploadId);
    return upload?.key === key && upload.parts.size > 0;
  }

  remove(key: ObjectKey, uploadId: string): void {
    if (this.#uploads.get(uploadId)?.key === key) this.#uploads.delete(uploadId);
  }

  /** @throws {ObjectStoreError} noSuchUpload; invalid for a part number out of range. */
  addPart(key: ObjectKey, uploadId: string, partNumber: number, data: Buffer): UploadedPart {
    const upload = this.#find(key, uploadId);
    if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > 10_000) {
      throw this.#error("invalid", key, "InvalidArgument", 400);
    }
    const etag = `"${createHash("md5").update(data).digest("hex")}"`;
    upload.parts.set(partNumber, { data, etag });
    return { partNumber, etag: etag as ETag };
  }

  /** What the listed parts make. @throws {ObjectStoreError} noSuchUpload, invalid. */
  assemble(
    key: ObjectKey,
    uploadId: string,
    listed: readonly UploadedPart[],
  ): { readonly data: Buffer; readonly headers: ObjectHeaders; readonly etag: string } {
    const upload = this.#find(key, uploadId);
    if (listed.length === 0) throw this.#error("invalid", key, "MalformedXML", 400);
    const parts = listed.map(({ partNumber, etag }, i) => {
      if (i > 0 && partNumber <= (listed[i - 1]?.partNumber ?? 0)) {
        throw this.#error("invalid", key, "InvalidPartOrder", 400);
      }
      const part = upload.parts.get(partNumber);
      if (part === undefined || part.etag !== etag) {
        throw this.#error("invalid", key, "InvalidPart", 400);
      }
      return part;
    });
    // S3 user guide, "Amazon S3 multipart upload limits": every part but the last has at least 5 MiB.
    if (parts.slice(0, -1).some(({ data }) => data.length < this.#minPartBytes)) {
      throw this.#error("invalid", key, "EntityTooSmall", 400);
    }
    const digest = createHash("md5");
    for (const { etag } of parts) digest.update(Buffer.from(etag.replaceAll('"', ""), "hex"));
    return {
      data: Buffer.concat(parts.map(({ data }) => data)),
      headers: upload.headers,
      etag: `"${digest.digest("hex")}-${parts.length}"`,
    };
  }

  #find(key: ObjectKey, uploadId: string): Upload {
    const upload = this.#uploads.get(uploadId);
    if (upload?.key !== key) throw this.#error("noSuchUpload", key, "NoSuchUpload", 404);
    return upload;
  }

  #error(code: ObjectStoreErrorCode, key: ObjectKey, s3Code: string, status: number) {
    const message = `Bucket ${this.#bucket}, key ${JSON.stringify(key)}: ${s3Code}`;
    return new ObjectStoreError(code, message, { s3Code, status });
  }
}
