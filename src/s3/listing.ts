import { parseEtag } from "./object-headers.ts";
import {
  type ListedObject,
  type ListedUpload,
  type ListPage,
  type ObjectKey,
  objectKey,
} from "./object-store.ts";
import { childText, type XmlElement } from "./parse-xml.ts";

/** A name as the listing wrote it with `encoding-type=url`; undefined when it is not UTF-8. */
function decodeName(text: string, isEncoded: boolean): string | undefined {
  if (!isEncoded) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}

function parseKey(text: string, isEncoded: boolean): ObjectKey | undefined {
  const key = decodeName(text, isEncoded);
  try {
    return key === undefined ? undefined : objectKey(key);
  } catch {
    return undefined;
  }
}

/**
 * The page in a `ListBucketResult`; undefined when the document is no listing or lacks what it must have.
 * Times are cut to seconds, as HEAD gives them: else every object would seem changed between the two.
 */
export function parseListPage(root: XmlElement): ListPage | undefined {
  if (root.name !== "ListBucketResult") return undefined;
  const isEncoded = childText(root, "EncodingType") === "url";
  const objects: ListedObject[] = [];
  const prefixes: string[] = [];
  let skipped = 0;
  for (const element of root.children) {
    if (element.name === "CommonPrefixes") {
      for (const { name, text } of element.children) {
        if (name !== "Prefix") continue;
        const prefix = decodeName(text, isEncoded);
        if (prefix === undefined) skipped++;
        else prefixes.push(prefix);
      }
    }
    if (element.name !== "Contents") continue;
    const key = parseKey(childText(element, "Key") ?? "", isEncoded);
    if (key === undefined) {
      skipped++;
      continue;
    }
    const etag = childText(element, "ETag");
    const sizeBytes = Number(childText(element, "Size") ?? Number.NaN);
    const modifiedMs = Date.parse(childText(element, "LastModified") ?? "");
    if (etag === undefined || !Number.isSafeInteger(sizeBytes) || Number.isNaN(modifiedMs)) {
      return undefined;
    }
    const storageClass = childText(element, "StorageClass");
    objects.push({
      ...{ key, etag: parseEtag(etag), sizeBytes },
      lastModifiedMs: Math.floor(modifiedMs / 1000) * 1000,
      ...(storageClass === undefined || storageClass === "STANDARD" ? {} : { storageClass }),
    });
  }
  const isTruncated = childText(root, "IsTruncated") === "true";
  const nextToken = childText(root, "NextContinuationToken");
  if (!isTruncated) return { objects, prefixes, skipped };
  // A cut listing without a way on would look like the end, and what follows like deleted.
  return nextToken ? { objects, prefixes, nextToken, skipped } : undefined;
}

/** The uploads in a `ListMultipartUploadsResult`; undefined when the document is none. Odd keys are left out. */
export function parseUploads(root: XmlElement): ListedUpload[] | undefined {
  if (root.name !== "ListMultipartUploadsResult") return undefined;
  const isEncoded = childText(root, "EncodingType") === "url";
  return root.children.flatMap((element) => {
    if (element.name !== "Upload") return [];
    const key = parseKey(childText(element, "Key") ?? "", isEncoded);
    const uploadId = childText(element, "UploadId");
    const initiatedMs = Date.parse(childText(element, "Initiated") ?? "");
    if (key === undefined || !uploadId || Number.isNaN(initiatedMs)) return [];
    const by = element.children.find(({ name }) => name === "Initiator");
    const initiator = by === undefined ? undefined : childText(by, "ID");
    return [{ key, uploadId, initiatedMs, ...(initiator ? { initiator } : {}) }];
  });
}
