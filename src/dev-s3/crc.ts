import { crc32 as nativeCrc32 } from "node:zlib";

/** A running cyclic redundancy check. */
export interface Crc {
  update(data: Uint8Array): void;
  /** The value so far, big-endian. */
  digest(): Buffer;
}

/** CRC-32 (ISO 3309), by zlib. */
export function crc32(): Crc {
  let value = 0;
  return {
    update(data) {
      value = nativeCrc32(data, value);
    },
    digest: () => bigEndian(BigInt(value), 4),
  };
}

function bigEndian(value: bigint, bytes: number): Buffer {
  return Buffer.from(value.toString(16).padStart(bytes * 2, "0"), "hex");
}

/** Reflected polynomials, by the names of S3. */
export const polynomials = {
  CRC32: { bits: 32, reflected: 0xedb88320n },
  CRC32C: { bits: 32, reflected: 0x82f63b78n },
  CRC64NVME: { bits: 64, reflected: 0x9a6c9329ac4bc9b5n },
} as const;

const slices = 8;

/** Eight tables of 256 entries each, high and low halves: entry `k*256+b` is byte `b` followed by `k` zero bytes. */
function buildTables(polynomial: { readonly bits: number; readonly reflected: bigint }) {
  const low = new Uint32Array(slices * 256);
  const high = new Uint32Array(slices * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      value = (value & 1n) === 1n ? (value >> 1n) ^ polynomial.reflected : value >> 1n;
    }
    low[byte] = Number(value & 0xffffffffn);
    high[byte] = Number(value >> 32n);
  }
  for (let i = 256; i < slices * 256; i++) {
    const l = low[i - 256] ?? 0;
    const h = high[i - 256] ?? 0;
    const index = l & 0xff;
    low[i] = ((l >>> 8) | (h << 24)) ^ (low[index] ?? 0);
    high[i] = (h >>> 8) ^ (high[index] ?? 0);
  }
  return { low, high };
}

/** Slicing by eight over two 32-bit halves; a 32-bit polynomial leaves the high half at zero. */
function tableCrc(polynomial: { readonly bits: number; readonly reflected: bigint }): () => Crc {
  let tables: ReturnType<typeof buildTables> | undefined;
  return () => {
    tables ??= buildTables(polynomial);
    const { low, high } = tables;
    const wide = polynomial.bits === 64;
    let l = -1;
    let h = wide ? -1 : 0;
    return {
      update(data) {
        const at = (table: Uint32Array, i: number) => table[i] as number;
        let i = 0;
        for (const end = data.length - 7; i < end; i += 8) {
          const a = l ^ word(data, i);
          const b = h ^ word(data, i + 4);
          const i0 = 1792 + (a & 0xff);
          const i1 = 1536 + ((a >>> 8) & 0xff);
          const i2 = 1280 + ((a >>> 16) & 0xff);
          const i3 = 1024 + (a >>> 24);
          const i4 = 768 + (b & 0xff);
          const i5 = 512 + ((b >>> 8) & 0xff);
          const i6 = 256 + ((b >>> 16) & 0xff);
          const i7 = b >>> 24;
          l = at(low, i0) ^ at(low, i1) ^ at(low, i2) ^ at(low, i3);
          l ^= at(low, i4) ^ at(low, i5) ^ at(low, i6) ^ at(low, i7);
          if (!wide) continue;
          h = at(high, i0) ^ at(high, i1) ^ at(high, i2) ^ at(high, i3);
          h ^= at(high, i4) ^ at(high, i5) ^ at(high, i6) ^ at(high, i7);
        }
        for (; i < data.length; i++) {
          const index = (l ^ (data[i] as number)) & 0xff;
          l = ((l >>> 8) | (h << 24)) ^ at(low, index);
          h = (h >>> 8) ^ at(high, index);
        }
      },
      digest() {
        const lowHalf = bigEndian(BigInt(~l >>> 0), 4);
        return wide ? Buffer.concat([bigEndian(BigInt(~h >>> 0), 4), lowHalf]) : lowHalf;
      },
    };
  };
}

function word(data: Uint8Array, i: number): number {
  return (
    (data[i] as number) |
    ((data[i + 1] as number) << 8) |
    ((data[i + 2] as number) << 16) |
    ((data[i + 3] as number) << 24)
  );
}

/** CRC-32C (Castagnoli, RFC 3720 §12.1). */
export const crc32c: () => Crc = tableCrc(polynomials.CRC32C);
/** CRC-64/NVME (NVM Express NVM Command Set Specification 1.0 §5.2.1.3.4). */
export const crc64Nvme: () => Crc = tableCrc(polynomials.CRC64NVME);

/** Product of two reflected polynomials modulo the generator. */
function multiply(a: bigint, b: bigint, bits: number, reflected: bigint): bigint {
  let product = 0n;
  let factor = b;
  for (let bit = BigInt(bits - 1); bit >= 0n; bit--) {
    if (((a >> bit) & 1n) === 1n) product ^= factor;
    factor = (factor & 1n) === 1n ? (factor >> 1n) ^ reflected : factor >> 1n;
  }
  return product;
}

/**
 * The check of two pieces joined, from the check of each and the length of the second:
 * the first is multiplied by x^(8·length), by squaring, and added to the second.
 */
export function combineCrc(
  algorithm: keyof typeof polynomials,
  first: Buffer,
  second: Buffer,
  secondLengthBytes: number,
): Buffer {
  const { bits, reflected } = polynomials[algorithm];
  let shifted = BigInt(`0x${first.toString("hex")}`);
  // x^8 in reflected order: the highest bit is x^0.
  let power = 1n << BigInt(bits - 9);
  for (let left = secondLengthBytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) shifted = multiply(shifted, power, bits, reflected);
    power = multiply(power, power, bits, reflected);
  }
  return bigEndian(shifted ^ BigInt(`0x${second.toString("hex")}`), bits / 8);
}
