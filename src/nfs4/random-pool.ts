const poolBytes = 4096;

/**
 * The same source of random bytes, asked for a page at a time: the system's own takes as long for eleven bytes as for
 * many. No byte is given twice.
 */
export function pooled(randomBytes: (length: number) => Uint8Array): typeof randomBytes {
  let pool = new Uint8Array(0);
  return (length) => {
    if (length > poolBytes) return randomBytes(length);
    if (pool.length < length) pool = Uint8Array.from(randomBytes(poolBytes));
    const taken = pool.slice(0, length);
    pool = pool.subarray(length);
    return taken;
  };
}
