import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { PutBody } from "./object-store.ts";
import { emptyPayloadHash } from "./signature.ts";

/** Hexadecimal SHA-256 of a body. */
export function bodySha256(body: PutBody): string {
  if (body.sizeBytes === 0) return emptyPayloadHash;
  const hash = createHash("sha256");
  for (const chunk of body.chunks) hash.update(chunk);
  return hash.digest("hex");
}

function base64OfCrc32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString("base64");
}

/** CRC32 of a body as `x-amz-checksum-crc32` carries it. */
export function bodyCrc32(body: PutBody): string {
  let value = 0;
  for (const chunk of body.chunks) value = crc32(chunk, value);
  return base64OfCrc32(value);
}

/**
 * Whether the bytes of a whole object contradict the checksum in its headers, where there is one over the full
 * object that we can compute: CRC32, CRC64NVME or SHA-256.
 */
export async function contradictsChecksum(
  data: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  const isComposite = headers["x-amz-checksum-type"] === "COMPOSITE";
  const claimed = (algorithm: string): string | undefined => {
    const value = headers[`x-amz-checksum-${algorithm}`];
    // A checksum of checksums ends in the number of parts.
    return isComposite || value?.includes("-") ? undefined : value;
  };
  const crc32Claim = claimed("crc32");
  if (crc32Claim !== undefined) return base64OfCrc32(crc32(data)) !== crc32Claim;
  const crc64Claim = claimed("crc64nvme");
  if (crc64Claim !== undefined) {
    // Loaded when it is needed: it would delay every start.
    const { Crc64Nvme } = await import("@aws-sdk/crc64-nvme");
    const digest = new Crc64Nvme();
    digest.update(data);
    return Buffer.from(await digest.digest()).toString("base64") !== crc64Claim;
  }
  const sha256Claim = claimed("sha256");
  if (sha256Claim === undefined) return false;
  return createHash("sha256").update(data).digest("base64") !== sha256Claim;
}
