import type { Checksum, ChecksumAlgorithm, ChecksumType } from "./checksum.ts";
import type { SortedMap } from "./sorted-map.ts";

/** A stretch of a blob. An object's body is a list of them, so copies and multipart uploads move no bytes. */
export interface Segment {
  readonly blob: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** What a client can set on an object at upload: HTTP headers, user metadata, class and tags. */
export interface Attributes {
  /** `content-type`, `cache-control` and the like, by lower-case header name. */
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata without its prefix, names in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly storageClass: string;
  /** `AES256`, or as the client asked. */
  readonly encryption: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** When a restored copy of an archived object appears and vanishes. */
export interface Restore {
  readonly readyMs: number;
  readonly expiryMs: number;
}

/** One version of an object that has content. */
export interface ContentVersion {
  readonly kind: "content";
  readonly versionId: string;
  readonly lastModifiedMs: number;
  /** With its quotes. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly body: readonly Segment[];
  readonly attributes: Attributes;
  readonly checksum?: Checksum;
  /** Sizes of the parts of a multipart upload, in order. */
  readonly partSizes?: readonly number[];
  readonly restore?: Restore;
}

/** A version that says the object is deleted. */
export interface DeleteMarker {
  readonly kind: "deleteMarker";
  readonly versionId: string;
  readonly lastModifiedMs: number;
}

/** One entry of a key's history. */
export type Version = ContentVersion | DeleteMarker;

/** All versions of one key, newest first, never empty. */
export interface KeyRecord {
  readonly key: string;
  readonly versions: readonly Version[];
}

/** An uploaded part; uploading its number again replaces it. */
export interface Part {
  readonly partNumber: number;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
  readonly body: readonly Segment[];
  readonly checksum?: Checksum;
}

/** A multipart upload under way as it is stored, without its parts, which are records of their own. */
export interface UploadRecord {
  readonly uploadId: string;
  readonly bucket: string;
  readonly key: string;
  readonly initiatedMs: number;
  readonly attributes: Attributes;
  /** Absent when the client named none at the start. */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType };
}

/** An upload under way and its parts. */
export interface Upload extends UploadRecord {
  readonly parts: Map<number, Part>;
}

/** A bucket as it is stored, without its keys and uploads. */
export interface BucketRecord {
  readonly name: string;
  readonly createdMs: number;
  /** `""` until versioning was first set. */
  readonly versioning: "" | "Enabled" | "Suspended";
  readonly tags: Readonly<Record<string, string>>;
}

/** A multipart upload that has become an object, as a repeated completion is answered. */
export interface CompletedUpload {
  readonly key: string;
  /** The list of parts as it was sent. */
  readonly list: Buffer;
  readonly version: ContentVersion;
}

/** A bucket with all that is in it. */
export interface Bucket {
  record: BucketRecord;
  readonly keys: SortedMap<KeyRecord>;
  readonly uploads: Map<string, Upload>;
  /** By upload id, oldest first; in memory only, so that a restart answers NoSuchUpload. */
  readonly completed: Map<string, CompletedUpload>;
  /** Deletions by key, counted while a write of that key is under way. */
  readonly deletions: Map<string, { watchers: number; count: number }>;
  /** Changes of keys that are being written to the record store. */
  pending: number;
}
