import type fc from "fast-check";
import type { Codec } from "../../../../src/xdr/codec.ts";
import { XdrError } from "../../../../src/xdr/error.ts";
import type { XdrReader } from "../../../../src/xdr/reader.ts";

/**
 * What a codec takes for a reader, but it makes its answers up: so decoding gives a random value of any
 * codec, without a description of its type. Small numbers are frequent, because enums and unions want them.
 */
class GeneratingReader implements Pick<XdrReader, keyof XdrReader> {
  readonly #next: (max: number) => number;

  constructor(next: (max: number) => number) {
    this.#next = next;
  }

  get remainingBytes(): number {
    return 0;
  }

  u32(): number {
    return this.#next(3) > 0 ? this.#next(7) : this.#next(0xffff_ffff);
  }

  i32(): number {
    return this.u32() | 0;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  i64(): bigint {
    return BigInt.asIntN(64, this.u64());
  }

  offset(): number {
    return this.#next(0x1f_ffff) * 2 ** 32 + this.u32();
  }

  bool(): boolean {
    return this.#next(1) === 1;
  }

  fixed(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next(255));
  }

  opaque(maxLength: number): Uint8Array {
    return this.fixed(this.#next(Math.min(maxLength, 40)));
  }

  chunks(maxLength: number): readonly Uint8Array[] {
    const bytes = this.opaque(maxLength);
    return bytes.length === 0 ? [] : [bytes];
  }

  count(maxCount: number): number {
    return this.#next(Math.min(maxCount, 3));
  }

  rest(): readonly Uint8Array[] {
    return [];
  }

  end(): void {}
}

/** A random value of a codec's type. */
export function generate<T>(codec: Codec<T>, gen: fc.GeneratorValue, arbitrary: typeof fc): T {
  const reader = new GeneratingReader((max) => gen(arbitrary.nat, max));
  for (;;) {
    try {
      // The class has other private fields, and no codec looks at those.
      return codec.decode(reader as unknown as XdrReader);
    } catch (error) {
      // An enum or a union was given a number that it does not have.
      if (!(error instanceof XdrError)) throw error;
    }
  }
}
