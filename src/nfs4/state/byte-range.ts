/** Greatest offset of a lock range: `last` of a lock "to the end of the file". */
export const endOfRange = 0xffff_ffff_ffff_ffffn;

/** A locked range of a file: bytes `first` to `last`, both inclusive. */
export interface ByteRange {
  readonly first: bigint;
  readonly last: bigint;
  readonly write: boolean;
}

/**
 * The range of a lock request: all ones is "to the end" (RFC 8881 §18.10.3). Undefined for a length of zero and
 * for a range that passes the greatest offset.
 */
export function byteRange(offset: bigint, length: bigint, write: boolean): ByteRange | undefined {
  if (length === endOfRange) return { first: offset, last: endOfRange, write };
  if (length === 0n || offset + length - 1n > endOfRange - 1n) return undefined;
  return { first: offset, last: offset + length - 1n, write };
}

/** Whether two ranges share a byte. */
export function overlaps(a: ByteRange, b: ByteRange): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** `ranges` without the bytes of `cut`; sorted. */
export function subtract(ranges: readonly ByteRange[], cut: ByteRange): readonly ByteRange[] {
  return ranges.flatMap((range) => {
    if (!overlaps(range, cut)) return [range];
    const parts: ByteRange[] = [];
    if (range.first < cut.first) parts.push({ ...range, last: cut.first - 1n });
    if (range.last > cut.last) parts.push({ ...range, first: cut.last + 1n });
    return parts;
  });
}

/** `ranges` with `added` in place of what it covers; sorted, neighbours of one kind joined. */
export function add(ranges: readonly ByteRange[], added: ByteRange): readonly ByteRange[] {
  const sorted = [...subtract(ranges, added), added].sort((a, b) => (a.first < b.first ? -1 : 1));
  const joined: ByteRange[] = [];
  for (const range of sorted) {
    const before = joined.at(-1);
    if (before !== undefined && before.write === range.write && before.last + 1n === range.first) {
      joined[joined.length - 1] = { ...before, last: range.last };
    } else {
      joined.push(range);
    }
  }
  return joined;
}
