/** Where the bytes of a range of the new object come from. */
export interface SourceRun {
  readonly start: number;
  readonly end: number;
  /** The base object has these bytes at the same offsets, so that S3 can copy them. */
  readonly isBase: boolean;
}

/** One part of a multipart upload, in order. */
export interface PlannedPart {
  readonly start: number;
  readonly end: number;
  /** Copied by S3 from the base object; else sent from here. */
  readonly isCopy: boolean;
}

/** Limits of a store (S3: 5 MiB, 5 GiB, 10,000 parts) and the size of parts that are sent. */
export interface PlanLimits {
  readonly minPartBytes: number;
  readonly partBytes: number;
  readonly maxPartBytes: number;
  readonly maxParts: number;
}

/**
 * Divides an object of `sizeBytes` into parts so that as little as possible is sent: runs of the base object are
 * copied where they are long enough to be parts of their own. Every part but the last has at least the smallest
 * size. `runs` cover `[0, sizeBytes)` in order; `sizeBytes` is positive. What is sent goes in parts of `partBytes`; in
 * larger ones, and with the shortest copies sent too, only where there would be too many parts.
 * @throws {RangeError} when no division makes an object of that size.
 */
export function planParts(
  sizeBytes: number,
  runs: readonly SourceRun[],
  limits: PlanLimits,
): PlannedPart[] {
  const { minPartBytes, partBytes, maxPartBytes, maxParts } = limits;
  if (sizeBytes > maxParts * maxPartBytes) {
    throw new RangeError(
      `An object of ${sizeBytes} bytes does not fit into ${maxParts} parts of ${maxPartBytes} bytes`,
    );
  }
  const joined = joinRuns(runs);
  for (let scale = 1; ; scale *= 2) {
    const leastCopyBytes = Math.min(minPartBytes * scale, maxPartBytes);
    const sentBytes = Math.min(partBytes * scale, maxPartBytes);
    const ranges = planRanges(sizeBytes, joined, { ...limits, leastCopyBytes });
    const piecesOf = (range: PlannedPart): number => {
      const size = range.end - range.start;
      const wanted = range.isCopy ? 1 : Math.floor(size / sentBytes);
      return Math.max(1, wanted, Math.ceil(size / maxPartBytes));
    };
    // Counted first: there may be millions.
    if (ranges.reduce((sum, range) => sum + piecesOf(range), 0) <= maxParts) {
      return ranges.flatMap((range) => divide(range, piecesOf(range)));
    }
    if (leastCopyBytes === maxPartBytes && sentBytes === maxPartBytes) break;
  }
  return planGrid(sizeBytes, joined, maxParts);
}

/** The ranges that are copied, and those between them. */
function planRanges(
  sizeBytes: number,
  runs: readonly SourceRun[],
  sizes: PlanLimits & { readonly leastCopyBytes: number },
): PlannedPart[] {
  const { minPartBytes, leastCopyBytes } = sizes;
  const ranges: PlannedPart[] = [];
  let at = 0;
  for (const { start, end, isBase } of runs) {
    if (!isBase || end - start < leastCopyBytes) continue;
    // What is sent before a copy must itself be a part: it takes the bytes it lacks from the copy.
    const sent = start - at;
    const from = sent === 0 || sent >= minPartBytes ? start : at + minPartBytes;
    if (end - from < minPartBytes) continue;
    if (from > at) ranges.push({ start: at, end: from, isCopy: false });
    ranges.push({ start: from, end, isCopy: true });
    at = end;
  }
  if (at < sizeBytes) ranges.push({ start: at, end: sizeBytes, isCopy: false });
  return ranges;
}

/** As many parts as there may be, of one size: those that the base has whole are copied. */
function planGrid(sizeBytes: number, runs: readonly SourceRun[], maxParts: number): PlannedPart[] {
  const step = Math.ceil(sizeBytes / maxParts);
  const parts: PlannedPart[] = [];
  let run = 0;
  for (let start = 0; start < sizeBytes; start += step) {
    const end = Math.min(sizeBytes, start + step);
    while ((runs[run]?.end ?? sizeBytes) <= start) run += 1;
    const { isBase = false, end: runEnd = 0 } = runs[run] ?? {};
    parts.push({ start, end, isCopy: isBase && runEnd >= end });
  }
  return parts;
}

function joinRuns(runs: readonly SourceRun[]): SourceRun[] {
  const joined: SourceRun[] = [];
  for (const run of runs) {
    const last = joined.at(-1);
    if (last !== undefined && last.isBase === run.isBase && last.end === run.start) {
      joined[joined.length - 1] = { ...last, end: run.end };
    } else {
      joined.push(run);
    }
  }
  return joined;
}

/** Pieces of equal size. */
function divide({ start, end, isCopy }: PlannedPart, count: number): PlannedPart[] {
  const size = end - start;
  return Array.from({ length: count }, (_, index) => ({
    start: start + Math.floor((size / count) * index),
    end: index === count - 1 ? end : start + Math.floor((size / count) * (index + 1)),
    isCopy,
  }));
}
