import { S3Error } from "./error.ts";

/** Part of a body. */
export interface ByteRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/**
 * The range that a Range header asks of `sizeBytes`, or undefined for the whole object:
 * no header, other units, malformed, or several ranges, all of which S3 ignores.
 * @throws {S3Error} InvalidRange when it lies beyond the end.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  const start = first === "" ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  if (start >= sizeBytes) {
    throw new S3Error("InvalidRange", {
      elements: { RangeRequested: header ?? "", ActualObjectSize: sizeBytes },
      headers: { "content-range": `bytes */${sizeBytes}` },
    });
  }
  return { offsetBytes: start, lengthBytes: end - start };
}

/**
 * The range of part `partNumber`; an object that was not uploaded in parts is its own part 1.
 * @throws {S3Error} InvalidPartNumber, InvalidArgument.
 */
export function rangeOfPart(
  partNumber: number,
  sizeBytes: number,
  partSizes: readonly number[] | undefined,
): ByteRange {
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > 10_000) {
    throw new S3Error("InvalidArgument", {
      message: "Part number must be an integer between 1 and 10000, inclusive",
    });
  }
  const sizes = partSizes ?? [sizeBytes];
  const lengthBytes = sizes[partNumber - 1];
  if (lengthBytes === undefined) {
    throw new S3Error("InvalidPartNumber", {
      elements: { ActualPartCount: sizes.length, PartNumberRequested: partNumber },
    });
  }
  const offsetBytes = sizes.slice(0, partNumber - 1).reduce((sum, size) => sum + size, 0);
  return { offsetBytes, lengthBytes };
}
