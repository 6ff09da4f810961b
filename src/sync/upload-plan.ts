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
  readonly maxCopyBytes: number;
  readonly maxParts: number;
}

/**
 * Divides an object of `sizeBytes` into parts so that as little as possible is sent: runs of the base object are
 * copied where they are long enough to be parts of their own. Every part but the last has at least the smallest
 * size. `runs` cover `[0, sizeBytes)` in order; `sizeBytes` is positive.
 */
export function planParts(
  sizeBytes: number,
  runs: readonly SourceRun[],
  limits: PlanLimits,
): PlannedPart[] {
  // Half of the parts allowed may be copies between parts that are sent.
  const least = Math.max(limits.minPartBytes, Math.ceil((sizeBytes * 2) / limits.maxParts));
  const most = Math.max(limits.partBytes, least);
  const copies = joinRuns(runs).filter((run) => run.isBase && run.end - run.start >= least);
  const kept: { start: number; end: number }[] = [];
  for (const { start, end } of copies) {
    // What is sent before a copy must itself be a part: it takes the bytes it lacks from the copy.
    const before = kept.at(-1)?.end ?? 0;
    const sent = start - before;
    const from = sent === 0 || sent >= least ? start : before + least;
    if (end - from >= least) kept.push({ start: from, end });
  }
  const parts: PlannedPart[] = [];
  let at = 0;
  for (const copy of kept) {
    divide(parts, at, copy.start, false, most);
    divide(parts, copy.start, copy.end, true, limits.maxCopyBytes);
    at = copy.end;
  }
  divide(parts, at, sizeBytes, false, most);
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

/** Pieces of equal size, each at least `target` where the range is; copies are at most `target`. */
function divide(
  parts: PlannedPart[],
  start: number,
  end: number,
  isCopy: boolean,
  target: number,
): void {
  const size = end - start;
  if (size <= 0) return;
  const count = isCopy ? Math.ceil(size / target) : Math.max(1, Math.floor(size / target));
  for (let index = 0; index < count; index++) {
    parts.push({
      start: start + Math.floor((size * index) / count),
      end: start + Math.floor((size * (index + 1)) / count),
      isCopy,
    });
  }
}
