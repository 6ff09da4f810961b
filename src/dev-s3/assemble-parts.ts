import { createHash } from "node:crypto";
import {
  type Checksum,
  type ChecksumAlgorithm,
  type ChecksumType,
  checksumAlgorithms,
  newDigest,
} from "./checksum.ts";
import { combineCrc, polynomials } from "./crc.ts";
import { S3Error } from "./error.ts";
import type { Part, Upload } from "./model.ts";
import { parseXml, type XmlNode } from "./parse-xml.ts";

const minPartBytes = 5 * 1024 * 1024;
const maxParts = 10_000;
/** S3 user guide, "Amazon S3 multipart upload limits": 48.8 TiB. */
const maxObjectBytes = 10_000 * 5 * 1024 ** 3;

function checkListed(listed: XmlNode, part: Part | undefined, uploadId: string): Part {
  const partNumber = Number(listed.required("PartNumber"));
  const etag = listed
    .required("ETag")
    .trim()
    .replace(/^"(.*)"$/, "$1");
  if (part === undefined || part.etag !== `"${etag}"`) {
    throw new S3Error("InvalidPart", {
      elements: { UploadId: uploadId, PartNumber: partNumber, ETag: etag },
    });
  }
  for (const algorithm of checksumAlgorithms) {
    const claimed = listed.text(`Checksum${algorithm}`);
    if (claimed === undefined) continue;
    if (part.checksum?.algorithm !== algorithm || part.checksum.value !== claimed.trim()) {
      throw new S3Error("InvalidPart", {
        elements: { UploadId: uploadId, PartNumber: partNumber, ETag: etag },
      });
    }
  }
  return part;
}

/**
 * The parts that a CompleteMultipartUpload lists, each checked against what was uploaded.
 * @throws {S3Error} MalformedXML, InvalidPart, InvalidPartOrder, EntityTooSmall, EntityTooLarge, InvalidRequest.
 */
export function selectParts(document: Buffer, upload: Upload): Part[] {
  const listed = parseXml(document, "CompleteMultipartUpload").all("Part");
  if (listed.length === 0 || listed.length > maxParts) throw new S3Error("MalformedXML");
  const numbers = listed.map((node) => Number(node.required("PartNumber")));
  if (numbers.some((number) => !Number.isInteger(number))) throw new S3Error("MalformedXML");
  if (numbers.some((number, i) => i > 0 && number <= (numbers[i - 1] ?? 0))) {
    throw new S3Error("InvalidPartOrder", { elements: { UploadId: upload.uploadId } });
  }
  const parts = listed.map((node, i) =>
    checkListed(node, upload.parts.get(numbers[i] ?? 0), upload.uploadId),
  );
  for (const part of parts.slice(0, -1)) {
    if (part.sizeBytes < minPartBytes) {
      throw new S3Error("EntityTooSmall", {
        elements: {
          ProposedSize: part.sizeBytes,
          MinSizeAllowed: minPartBytes,
          PartNumber: part.partNumber,
          ETag: part.etag.replaceAll('"', ""),
        },
      });
    }
  }
  const { checksum } = upload;
  const missing = listed.findIndex(
    (node) => node.text(`Checksum${checksum?.algorithm}`) === undefined,
  );
  if (checksum?.type === "COMPOSITE" && missing !== -1) {
    throw new S3Error("InvalidRequest", {
      message: `The upload was created using a ${checksum.algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${numbers[missing]} in the request`,
    });
  }
  if (totalBytes(parts) > maxObjectBytes) throw new S3Error("EntityTooLarge");
  return parts;
}

/** Size of the object that the parts make. */
export function totalBytes(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + part.sizeBytes, 0);
}

/** The ETag of a multipart object: MD5 over the parts' MD5s, and their number. */
export function multipartEtag(parts: readonly Part[]): string {
  const md5 = createHash("md5");
  for (const part of parts) md5.update(Buffer.from(part.etag.replaceAll('"', ""), "hex"));
  return `"${md5.digest("hex")}-${parts.length}"`;
}

/** A checksum of the whole object from those of its parts; undefined when a part has none of that algorithm. */
function combine(
  parts: readonly Part[],
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
): Checksum | undefined {
  const values: Buffer[] = [];
  for (const { checksum } of parts) {
    if (checksum?.algorithm !== algorithm) return undefined;
    values.push(Buffer.from(checksum.value, "base64"));
  }
  if (type === "COMPOSITE") {
    const digest = newDigest(algorithm);
    for (const value of values) digest.update(value);
    return { algorithm, type, value: `${digest.digest().toString("base64")}-${parts.length}` };
  }
  if (!isCrc(algorithm)) return undefined;
  const value = values.reduce((sum, next, i) =>
    combineCrc(algorithm, sum, next, parts[i]?.sizeBytes ?? 0),
  );
  return { algorithm, type, value: value.toString("base64") };
}

function isCrc(algorithm: ChecksumAlgorithm): algorithm is keyof typeof polynomials {
  return Object.hasOwn(polynomials, algorithm);
}

/**
 * The checksum of the completed object, compared with the one the client claims for it.
 * An upload begun without an algorithm gets one when all its parts carry the same CRC.
 * @throws {S3Error} BadDigest.
 */
export function completedChecksum(
  upload: Upload,
  parts: readonly Part[],
  claimed: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined,
): Checksum | undefined {
  const algorithm = upload.checksum?.algorithm ?? parts[0]?.checksum?.algorithm;
  if (algorithm === undefined) return undefined;
  const type = upload.checksum?.type ?? (isCrc(algorithm) ? "FULL_OBJECT" : "COMPOSITE");
  const checksum = combine(parts, algorithm, type);
  if (claimed === undefined) return checksum;
  if (checksum?.algorithm !== claimed.algorithm || checksum.value !== claimed.value) {
    throw new S3Error("BadDigest", {
      message: `The ${claimed.algorithm} you specified did not match the calculated checksum`,
    });
  }
  return checksum;
}
