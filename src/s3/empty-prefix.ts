import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { sdkFailure } from "./bucket-control-error.ts";

interface Scope {
  readonly bucket: string;
  readonly prefix: string;
  readonly keep?: string;
}

interface VersionMarkers {
  readonly KeyMarker?: string;
  readonly VersionIdMarker?: string;
}

interface UploadMarkers {
  readonly KeyMarker?: string;
  readonly UploadIdMarker?: string;
}

interface Version {
  readonly Key: string;
  readonly VersionId?: string;
}

/** An error as the SDK throws it, for one that came inside a successful answer. */
class DeletionError extends Error {
  readonly $metadata: { readonly httpStatusCode: number };
  constructor(code: string, message: string) {
    super(message);
    this.name = code;
    this.$metadata = { httpStatusCode: code === "AccessDenied" ? 403 : 500 };
  }
}

function decodeKey(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

/** XML 1.0 has no control characters, so such keys cannot stand in a DeleteObjects document. */
function fitsXml(key: string): boolean {
  for (const character of key) {
    if (character < " " || character === "\ufffe" || character === "\uffff") return false;
  }
  return true;
}

function versionOf(entry: { Key?: string | undefined; VersionId?: string | undefined }): Version {
  const { Key = "", VersionId } = entry;
  return { Key: decodeKey(Key), ...(VersionId === undefined ? {} : { VersionId }) };
}

async function deleteVersions(
  client: S3Client,
  bucket: string,
  versions: readonly Version[],
  abortSignal: AbortSignal,
): Promise<void> {
  const [together, alone] = [
    versions.filter(({ Key }) => fitsXml(Key)),
    versions.filter(({ Key }) => !fitsXml(Key)),
  ];
  for (const version of alone) {
    await client.send(new DeleteObjectCommand({ Bucket: bucket, ...version }), { abortSignal });
  }
  if (together.length === 0) return;
  const { Errors = [] } = await client.send(
    new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: together, Quiet: true } }),
    { abortSignal },
  );
  const [first] = Errors;
  if (first === undefined) return;
  const { Key = "", Code = "InternalError", Message = "" } = first;
  throw new DeletionError(
    Code,
    `${JSON.stringify(Key)} and ${Errors.length - 1} others stay: ${Message}`,
  );
}

/** @returns how many were aborted on the page, and where the next begins. */
async function abortPage(
  client: S3Client,
  { bucket, prefix, keep }: Scope,
  markers: UploadMarkers,
  abortSignal: AbortSignal,
): Promise<{ readonly aborted: number; readonly next: UploadMarkers | undefined }> {
  const page = await client.send(
    new ListMultipartUploadsCommand({
      ...{ Bucket: bucket, Prefix: prefix, EncodingType: "url", ...markers },
    }),
    { abortSignal },
  );
  let aborted = 0;
  for (const { Key = "", UploadId } of page.Uploads ?? []) {
    const key = decodeKey(Key);
    if (key === keep) continue;
    try {
      const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId });
      await client.send(command, { abortSignal });
      aborted++;
    } catch (error) {
      if (sdkFailure(error).s3Code !== "NoSuchUpload") throw error;
    }
  }
  const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
  if (IsTruncated !== true || NextKeyMarker === undefined) return { aborted, next: undefined };
  const next = {
    KeyMarker: decodeKey(NextKeyMarker),
    ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
  };
  return { aborted, next };
}

/** @returns how many were deleted on the page, and where the next begins. */
async function deletePage(
  client: S3Client,
  { bucket, prefix, keep }: Scope,
  markers: VersionMarkers,
  abortSignal: AbortSignal,
): Promise<{ readonly deleted: number; readonly next: VersionMarkers | undefined }> {
  const page = await client.send(
    new ListObjectVersionsCommand({
      ...{ Bucket: bucket, Prefix: prefix, EncodingType: "url", ...markers },
    }),
    { abortSignal },
  );
  const versions = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]
    .map(versionOf)
    .filter(({ Key }) => Key !== keep);
  await deleteVersions(client, bucket, versions, abortSignal);
  const deleted = versions.length;
  const { IsTruncated, NextKeyMarker, NextVersionIdMarker } = page;
  if (IsTruncated !== true || NextKeyMarker === undefined) return { deleted, next: undefined };
  const next = {
    KeyMarker: decodeKey(NextKeyMarker),
    ...(NextVersionIdMarker === undefined ? {} : { VersionIdMarker: NextVersionIdMarker }),
  };
  return { deleted, next };
}

/**
 * Removes versions, delete markers and unfinished uploads below a prefix, page by page, except those of the key
 * `keep`. Can be repeated after a failure: it goes on with what is left. Rejects with what the SDK throws.
 */
export async function emptyPrefix(
  client: S3Client,
  scope: Scope,
  abortSignal: AbortSignal,
  onProgress: (removed: number) => void = () => undefined,
): Promise<void> {
  let removed = 0;
  const report = (count: number): void => {
    removed += count;
    if (count > 0) onProgress(removed);
  };
  for (let markers: VersionMarkers | undefined = {}; markers !== undefined; ) {
    const { deleted, next } = await deletePage(client, scope, markers, abortSignal);
    report(deleted);
    markers = next;
  }
  for (let markers: UploadMarkers | undefined = {}; markers !== undefined; ) {
    const { aborted, next } = await abortPage(client, scope, markers, abortSignal);
    report(aborted);
    markers = next;
  }
}
