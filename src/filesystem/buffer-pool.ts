/** Size of the blocks that are kept for reuse: the largest READ. */
const blockBytes = 1 << 20;
/** Smaller requests get memory of their own. */
const leastBytes = 16 << 10;

/** Memory for replies of reads: what is given back is used again, which halves the cost of a large read. */
export class BufferPool {
  readonly #free: Uint8Array[] = [];
  readonly #maxFree: number;

  constructor(maxFree: number) {
    this.#maxFree = maxFree;
  }

  /** Memory of `sizeBytes`, not cleared, and how to give it back: once, when nobody refers to it any more. */
  take(sizeBytes: number): { readonly bytes: Uint8Array; readonly giveBack: () => void } {
    if (sizeBytes > blockBytes || sizeBytes < leastBytes) {
      return { bytes: Buffer.allocUnsafeSlow(sizeBytes), giveBack: () => {} };
    }
    const block = this.#free.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
    const giveBack = (): void => {
      if (this.#free.length < this.#maxFree) this.#free.push(block);
    };
    return { bytes: block.subarray(0, sizeBytes), giveBack };
  }

  /** Lets the memory go that is not in use. */
  clear(): void {
    this.#free.length = 0;
  }
}
