import { parseAttributes, parseStorageClass } from "../attributes.ts";
import {
  type Checksum,
  type ChecksumAlgorithm,
  hash,
  newDigest,
  parseAlgorithm,
} from "../checksum.ts";
import { commitVersion, newVersionId, watchDeletions } from "../commit-version.ts";
import { writeCondition } from "../condition.ts";
import {
  type Context,
  type S3Request,
  type S3Response,
  versionHeaders,
  wholeSecondsMs,
  xmlResponse,
} from "../context.ts";
import { type CopySource, copySource } from "../copy-source.ts";
import { S3Error } from "../error.ts";
import { honoured } from "../gaps.ts";
import { isoDate } from "../http-date.ts";
import type { Attributes, ContentVersion } from "../model.ts";
import { maxUploadBytes } from "../receive-body.ts";
import { parseTagHeader } from "../tags.ts";
import { document, element, optional } from "../xml.ts";

function directive(request: S3Request, name: string): "COPY" | "REPLACE" {
  const value = request.headers.get(name) ?? "COPY";
  if (value !== "COPY" && value !== "REPLACE") {
    throw new S3Error("InvalidArgument", { message: `Unknown ${name}` });
  }
  return value;
}

/** What the copy carries: the source's headers and metadata or the request's; the storage class is never copied. */
function copyAttributes(request: S3Request, source: ContentVersion): Attributes {
  const given = parseAttributes(request.headers);
  const replaced = directive(request, "x-amz-metadata-directive") === "REPLACE";
  const tags =
    directive(request, "x-amz-tagging-directive") === "REPLACE"
      ? parseTagHeader(request.headers.get("x-amz-tagging"))
      : source.attributes.tags;
  return {
    headers: replaced ? given.headers : source.attributes.headers,
    metadata: replaced ? given.metadata : source.attributes.metadata,
    storageClass: parseStorageClass(request.headers.get("x-amz-storage-class")),
    encryption: given.encryption,
    tags,
  };
}

function refuseIdleCopy(request: S3Request, source: CopySource): void {
  const changes = [
    "x-amz-storage-class",
    "x-amz-server-side-encryption",
    "x-amz-website-redirect-location",
  ];
  if (
    source.bucket.record.name === request.bucket &&
    source.key === request.key &&
    source.version === source.bucket.keys.get(source.key)?.versions[0] &&
    directive(request, "x-amz-metadata-directive") === "COPY" &&
    !changes.some((name) => request.headers.has(name))
  ) {
    throw new S3Error("InvalidRequest", {
      message:
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes",
    });
  }
}

/** ETag and checksum of the copy, which is one piece: the source's where it was one too, else computed anew. */
async function digests(
  source: ContentVersion,
  wanted: ChecksumAlgorithm | undefined,
  context: Context,
): Promise<{ readonly etag: string; readonly checksum: Checksum | undefined }> {
  const { checksum, etag } = source;
  const algorithm = wanted ?? checksum?.algorithm;
  const sameChecksum =
    algorithm === checksum?.algorithm &&
    (checksum === undefined || checksum.type === "FULL_OBJECT");
  if (sameChecksum && source.partSizes === undefined) return { etag, checksum };
  const md5 = hash("md5");
  const running = algorithm === undefined ? undefined : newDigest(algorithm);
  for await (const piece of context.catalog.read(source.body, 0, source.sizeBytes)) {
    md5.update(piece);
    running?.update(piece);
  }
  return {
    etag: `"${md5.digest().toString("hex")}"`,
    checksum:
      algorithm === undefined || running === undefined
        ? undefined
        : { algorithm, type: "FULL_OBJECT", value: running.digest().toString("base64") },
  };
}

/**
 * CopyObject: shares the source's blobs. Conditions on the source and, as AWS has them, on the destination:
 * If-Match and If-None-Match.
 */
export async function copyObject(request: S3Request, context: Context): Promise<S3Response> {
  const { catalog } = context;
  const bucket = catalog.bucket(request.bucket);
  const condition = honoured(writeCondition(request.headers), "copy", context.gaps);
  const source = copySource(request, context);
  if (source.version.sizeBytes > maxUploadBytes) {
    throw new S3Error("InvalidRequest", {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${maxUploadBytes}`,
    });
  }
  refuseIdleCopy(request, source);
  const attributes = copyAttributes(request, source.version);
  const algorithmName = request.headers.get("x-amz-checksum-algorithm");
  const algorithm = algorithmName === undefined ? undefined : parseAlgorithm(algorithmName);
  using watch = watchDeletions(bucket, request.key);
  catalog.retain(source.version.body);
  try {
    const { etag, checksum } = await digests(source.version, algorithm, context);
    const version = {
      kind: "content" as const,
      versionId: newVersionId(bucket, context),
      lastModifiedMs: wholeSecondsMs(context),
      etag,
      sizeBytes: source.version.sizeBytes,
      body: source.version.body,
      attributes,
      ...(checksum === undefined ? {} : { checksum }),
    };
    const { key } = request;
    await commitVersion({ bucket, key, version, condition, watch, lock: "take" }, context);
    const sourceVersioning = source.bucket.record.versioning;
    return xmlResponse(
      document(
        element("CopyObjectResult", [
          element("LastModified", isoDate(version.lastModifiedMs)),
          element("ETag", etag),
          optional(`Checksum${checksum?.algorithm}`, checksum?.value),
          optional("ChecksumType", checksum?.type),
        ]),
      ),
      {
        "x-amz-server-side-encryption": attributes.encryption,
        ...versionHeaders(bucket.record.versioning, version),
        ...(sourceVersioning === ""
          ? {}
          : { "x-amz-copy-source-version-id": source.version.versionId }),
      },
    );
  } finally {
    await catalog.release(source.version.body);
  }
}
