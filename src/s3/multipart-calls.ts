import type { Call, Connection } from "./connection.ts";
import { parseUploads } from "./listing.ts";
import { parseEtag, toHttpHeaders } from "./object-headers.ts";
import type {
  Condition,
  ETag,
  ListedUpload,
  NotFound,
  ObjectHeaders,
  ObjectKey,
  PreconditionFailed,
  PutBody,
  RequestOptions,
  Stored,
  UploadedPart,
} from "./object-store.ts";
import { errorCode, isPreconditionFailure } from "./outcome.ts";
import { childText, parseXml } from "./parse-xml.ts";
import {
  checksumHeaders,
  conditionHeaders,
  failedCopy,
  signalOf,
  storedFrom,
} from "./request-parts.ts";

interface UploadTarget {
  readonly key: ObjectKey;
  readonly uploadId: string;
}

interface PartTarget extends UploadTarget {
  readonly partNumber: number;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function partQuery({ uploadId, partNumber }: PartTarget) {
  return { partNumber: String(partNumber), uploadId };
}

/** The requests of multipart uploads, as `ObjectStore` has them. */
export class MultipartCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Begins an upload and returns its id. @throws {ObjectStoreError} */
  async create(key: ObjectKey, headers: ObjectHeaders, options?: RequestOptions): Promise<string> {
    const call: Call = {
      method: "POST",
      key,
      query: { uploads: "" },
      headers: {
        ...toHttpHeaders(headers),
        // S3 takes a checksum with a part only when the upload announced it; over the full object, so that
        // a reader of the whole can verify it.
        ...(this.#connection.checksums
          ? { "x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT" }
          : {}),
      },
      isDocument: true,
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "failure") throw outcome.error;
    const uploadId = documentText(outcome.answer.body, "UploadId");
    if (uploadId) return uploadId;
    throw this.#connection.malformed(call, "No upload id");
  }

  /** Uploads a part. @throws {ObjectStoreError} */
  async upload(target: PartTarget, body: PutBody, options?: RequestOptions): Promise<UploadedPart> {
    const { key, partNumber } = target;
    const crc32 = this.#connection.checksumOf(body);
    const call: Call = {
      ...{ method: "PUT", key, body, query: partQuery(target) },
      headers: checksumHeaders(crc32),
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "failure") throw outcome.error;
    const etag = outcome.answer.headers["etag"];
    if (etag) return { partNumber, etag: parseEtag(etag), ...withChecksum(crc32) };
    throw this.#connection.malformed(call, "No ETag");
  }

  /** Copies a range of an object into a part. @throws {ObjectStoreError} */
  async copy(
    target: PartTarget,
    source: {
      readonly key: ObjectKey;
      readonly ifMatch: ETag;
      readonly offsetBytes: number;
      readonly lengthBytes: number;
    },
    options?: RequestOptions,
  ): Promise<({ kind: "copied" } & UploadedPart) | PreconditionFailed | NotFound> {
    const { key, partNumber } = target;
    const last = source.offsetBytes + source.lengthBytes - 1;
    const call: Call = {
      method: "PUT",
      key,
      query: partQuery(target),
      headers: {
        "x-amz-copy-source": this.#connection.copySource(source.key),
        "x-amz-copy-source-if-match": source.ifMatch,
        "x-amz-copy-source-range": `bytes=${source.offsetBytes}-${last}`,
      },
      isDocument: true,
      isSlow: true,
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "failure") {
      const failed = failedCopy(outcome.failure);
      if (failed !== undefined) return failed;
      throw outcome.error;
    }
    const etag = documentText(outcome.answer.body, "ETag");
    const crc = documentText(outcome.answer.body, "ChecksumCRC32");
    if (etag) {
      return { kind: "copied", partNumber, etag: parseEtag(etag), ...withChecksum(crc) };
    }
    throw this.#connection.malformed(call, "No ETag");
  }

  /** Makes the object of the parts. @throws {ObjectStoreError} */
  async complete(
    { key, uploadId }: UploadTarget,
    parts: readonly UploadedPart[],
    condition: Condition,
    options?: RequestOptions,
  ): Promise<Stored | PreconditionFailed> {
    const list = parts.map(({ partNumber, etag, checksum }) => {
      const crc = checksum ? `<ChecksumCRC32>${escapeXml(checksum)}</ChecksumCRC32>` : "";
      return `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escapeXml(etag)}</ETag>${crc}</Part>`;
    });
    const document = Buffer.from(
      `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join("")}</CompleteMultipartUpload>`,
    );
    const call: Call = {
      method: "POST",
      key,
      query: { uploadId },
      headers: conditionHeaders(condition),
      body: { sizeBytes: document.length, chunks: [document] },
      isDocument: true,
      isSlow: true,
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "failure") {
      const isExpected = condition !== "absent" && condition !== "any";
      if (isPreconditionFailure(outcome.failure, isExpected)) return { kind: "preconditionFailed" };
      throw outcome.error;
    }
    const { answer } = outcome;
    const stored = storedFrom(answer, documentText(answer.body, "ETag"));
    if (stored !== undefined) return stored;
    throw this.#connection.malformed(call, "No ETag");
  }

  /** Forgets an upload; one that is gone already counts as forgotten. @throws {ObjectStoreError} */
  async abort({ key, uploadId }: UploadTarget, options?: RequestOptions): Promise<void> {
    const outcome = await this.#connection.send({
      ...{ method: "DELETE", key, query: { uploadId } },
      ...signalOf(options),
    });
    if (outcome.kind === "success" || errorCode(outcome.failure) === "noSuchUpload") return;
    throw outcome.error;
  }

  /** See `ObjectStore.listUploads`. @throws {ObjectStoreError} */
  async list(prefix: string, options?: RequestOptions): Promise<readonly ListedUpload[]> {
    const call: Call = {
      method: "GET",
      query: { uploads: "", "encoding-type": "url", prefix },
      isDocument: true,
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "failure") throw outcome.error;
    const root = parseXml(outcome.answer.body.toString("utf8"));
    const uploads = root === undefined ? undefined : parseUploads(root);
    if (uploads === undefined)
      throw this.#connection.malformed(call, "The answer lists no uploads");
    return uploads;
  }

  /** See `ObjectStore.hasParts`. @throws {ObjectStoreError} */
  async hasParts({ key, uploadId }: UploadTarget, options?: RequestOptions): Promise<boolean> {
    const call: Call = {
      ...{ method: "GET", key, query: { uploadId, "max-parts": "1" }, isDocument: true },
      ...signalOf(options),
    };
    const outcome = await this.#connection.send(call);
    if (outcome.kind === "failure") {
      if (errorCode(outcome.failure) === "noSuchUpload") return false;
      throw outcome.error;
    }
    const root = parseXml(outcome.answer.body.toString("utf8"));
    if (root?.name !== "ListPartsResult") {
      throw this.#connection.malformed(call, "The answer lists no parts");
    }
    return root.children.some(({ name }) => name === "Part");
  }
}

function withChecksum(checksum: string | undefined): { readonly checksum?: string } {
  return checksum ? { checksum } : {};
}

function documentText(body: Buffer, name: string): string | undefined {
  const root = parseXml(body.toString("utf8"));
  return root === undefined ? undefined : childText(root, name);
}
