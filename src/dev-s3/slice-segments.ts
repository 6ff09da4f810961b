import type { Segment } from "./model.ts";

/** The segments of `[offsetBytes, offsetBytes + lengthBytes)` of a body. */
export function sliceSegments(
  body: readonly Segment[],
  offsetBytes: number,
  lengthBytes: number,
): Segment[] {
  const end = offsetBytes + lengthBytes;
  const result: Segment[] = [];
  let start = 0;
  for (const segment of body) {
    const from = Math.max(offsetBytes, start);
    const to = Math.min(end, start + segment.lengthBytes);
    if (from < to) {
      const inBlob = segment.offsetBytes + from - start;
      result.push({ blob: segment.blob, offsetBytes: inBlob, lengthBytes: to - from });
    }
    start += segment.lengthBytes;
  }
  return result;
}
