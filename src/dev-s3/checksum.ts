import { createHash } from "node:crypto";
import { crc32, crc32c, crc64Nvme } from "./crc.ts";
import { S3Error } from "./error.ts";

/** A running digest of bytes. */
export interface Digest {
  update(data: Uint8Array): void;
  digest(): Buffer;
}

/** The checksum algorithms of S3; the order is that of its documentation. */
export const checksumAlgorithms = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const;
/** One of {@link checksumAlgorithms}, spelt as in `x-amz-sdk-checksum-algorithm`. */
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];

/** Whether the value covers the whole object, or the checksums of its parts (`…-N`). */
export type ChecksumType = "FULL_OBJECT" | "COMPOSITE";

/** A checksum as kept with an object: base64, with `-N` when composite. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  readonly value: string;
}

const factories = {
  CRC32: crc32,
  CRC32C: crc32c,
  CRC64NVME: crc64Nvme,
  SHA1: () => hash("sha1"),
  SHA256: () => hash("sha256"),
} as const satisfies Record<ChecksumAlgorithm, () => Digest>;

/** A running hash of node:crypto. */
export function hash(name: "md5" | "sha1" | "sha256"): Digest {
  const running = createHash(name);
  return {
    update(data) {
      running.update(data);
    },
    digest: () => running.digest(),
  };
}

/** A new running checksum. */
export function newDigest(algorithm: ChecksumAlgorithm): Digest {
  return factories[algorithm]();
}

/** The header, XML element and trailer name of an algorithm: `x-amz-checksum-crc32`, `ChecksumCRC32`. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** @throws {S3Error} InvalidRequest when the name is no algorithm of S3. */
export function parseAlgorithm(name: string): ChecksumAlgorithm {
  const found = checksumAlgorithms.find((algorithm) => algorithm === name.toUpperCase());
  if (found === undefined) {
    throw new S3Error("InvalidRequest", {
      message: `Checksum algorithm '${name}' is not supported`,
    });
  }
  return found;
}

/** The checksum a request carries as a header, if any. @throws {S3Error} InvalidRequest when there are two. */
export function checksumOfHeaders(
  headers: ReadonlyMap<string, string>,
): { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined {
  const found = checksumAlgorithms.flatMap((algorithm) => {
    const value = headers.get(checksumHeader(algorithm));
    return value === undefined ? [] : [{ algorithm, value }];
  });
  if (found.length > 1) {
    throw new S3Error("InvalidRequest", {
      message: "Expecting a single x-amz-checksum- header",
    });
  }
  return found[0];
}

/** Response headers of a checksum. */
export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (checksum === undefined) return {};
  return {
    [checksumHeader(checksum.algorithm)]: checksum.value,
    "x-amz-checksum-type": checksum.type,
  };
}
