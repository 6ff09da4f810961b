/**
 * What the load writes: lines of 64 bytes, each naming its file, the operation that wrote it and its place, so that a
 * byte from anywhere else cannot pass for it. A line never crosses a page.
 */

/** Bytes of a line; all offsets and sizes of the load are multiples of it. */
export const lineBytes = 64;

/** A line that was never written: zeros. */
export const hole = -1;

/** The version of the lines of an object that was there before the load. */
export const baseVersion = 0;

/** Writes the line `index` of file `file` as operation `version` writes it, at `at` of `buffer`. */
function putLine(buffer: Buffer, at: number, file: string, version: number, index: number): void {
  const text = `${file} v${version} @${index * lineBytes} `;
  buffer.write(text, at, "latin1");
  buffer.fill("abcdefgh", at + text.length, at + lineBytes - 1, "latin1");
  buffer[at + lineBytes - 1] = 10;
}

/** The bytes of `count` lines from line `first` on. */
export function linesOf(file: string, version: number, first: number, count: number): Buffer {
  const buffer = Buffer.alloc(count * lineBytes);
  for (let i = 0; i < count; i++) putLine(buffer, i * lineBytes, file, version, first + i);
  return buffer;
}

/** What a line of a file was found to be. */
export interface FoundLine {
  readonly file: string;
  readonly version: number;
}

const expected = Buffer.alloc(lineBytes);
const zeros = Buffer.alloc(lineBytes);

/** The line `index` in `bytes`: who wrote it, {@link hole}, or `undefined` when no load ever writes such bytes there. */
export function lineAt(bytes: Buffer, index: number): FoundLine | typeof hole | undefined {
  const at = index * lineBytes;
  const end = at + lineBytes;
  if (bytes.compare(zeros, 0, lineBytes, at, end) === 0) return hole;
  const text = bytes.toString("latin1", at, end);
  const [, file, version] = /^(\S+) v(\d+) @\d+ /.exec(text) ?? [];
  if (file === undefined || version === undefined) return undefined;
  putLine(expected, 0, file, Number(version), index);
  return bytes.compare(expected, 0, lineBytes, at, end) === 0
    ? { file, version: Number(version) }
    : undefined;
}

/** Pseudo-random numbers that depend on the seed alone: `below(n)` is in 0 … n−1. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 2654435761) ^ 0x9e3779b9) >>> 0 || 1;
  }

  below(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % n;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(Math.max(1, items.length))];
  }
}
