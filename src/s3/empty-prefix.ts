import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
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

const deletesAtATime = 8;

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

/** A key as an answer with `EncodingType: url` spells it. */
export function decodeKey(text: string): string {
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

/** The answer, or that the store does not know the operation: not every one has versions or deletes many at once. */
export async function orNotImplemented<T>(answer: Promise<T>): Promise<T | "notImplemented"> {
  try {
    return await answer;
  } catch (error) {
    const { s3Code, status } = sdkFailure(error);
    if (status === 501 || s3Code === "NotImplemented") return "notImplemented";
    throw error;
  }
}

async function deleteOneByOne(
  client: S3Client,
  bucket: string,
  versions: readonly Version[],
  abortSignal: AbortSignal,
): Promise<void> {
  for (let at = 0; at < versions.length; at += deletesAtATime) {
    const some = versions.slice(at, at + deletesAtATime);
    await Promise.all(
      some.map((version) =>
        client.send(new DeleteObjectCommand({ Bucket: bucket, ...version }), { abortSignal }),
      ),
    );
  }
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
  await deleteOneByOne(client, bucket, alone, abortSignal);
  if (together.length === 0) return;
  const command = new DeleteObjectsCommand({
    ...{ Bucket: bucket, Delete: { Objects: together, Quiet: true } },
  });
  const answer = await orNotImplemented(client.send(command, { abortSignal }));
  if (answer === "notImplemented") {
    await deleteOneByOne(client, bucket, together, abortSignal);
    return;
  }
  const { Errors = [] } = answer;
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
  const command = new ListMultipartUploadsCommand({
    ...{ Bucket: bucket, Prefix: prefix, EncodingType: "url", ...markers },
  });
  const page = await orNotImplemented(client.send(command, { abortSignal }));
  if (page === "notImplemented") return { aborted: 0, next: undefined };
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

/** As {@link deletePage}, on a store that has no versions. */
async function deleteObjectsPage(
  client: S3Client,
  { bucket, prefix, keep }: Scope,
  { KeyMarker }: VersionMarkers,
  abortSignal: AbortSignal,
): Promise<{ readonly deleted: number; readonly next: VersionMarkers | undefined }> {
  const command = new ListObjectsV2Command({
    ...{ Bucket: bucket, Prefix: prefix, EncodingType: "url" },
    ...(KeyMarker === undefined ? {} : { StartAfter: KeyMarker }),
  });
  const { Contents = [], IsTruncated } = await client.send(command, { abortSignal });
  const keys = Contents.map(({ Key = "" }) => decodeKey(Key));
  const objects = keys.filter((key) => key !== keep).map((Key) => ({ Key }));
  await deleteVersions(client, bucket, objects, abortSignal);
  const last = keys.at(-1);
  const isMore = IsTruncated === true && last !== undefined;
  return { deleted: objects.length, next: isMore ? { KeyMarker: last } : undefined };
}

/** @returns how many were deleted on the page, and where the next begins. */
async function deletePage(
  client: S3Client,
  scope: Scope,
  markers: VersionMarkers,
  abortSignal: AbortSignal,
): Promise<{ readonly deleted: number; readonly next: VersionMarkers | undefined }> {
  const { bucket, prefix, keep } = scope;
  const command = new ListObjectVersionsCommand({
    ...{ Bucket: bucket, Prefix: prefix, EncodingType: "url", ...markers },
  });
  const page = await orNotImplemented(client.send(command, { abortSignal }));
  if (page === "notImplemented") {
    return await deleteObjectsPage(client, scope, markers, abortSignal);
  }
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
