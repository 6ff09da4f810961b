/**
 * Bytes that are not the XDR that was expected, or a value that XDR cannot carry.
 * `malformed`: truncated, a length above its limit, an unknown enum or union value.
 * `tooLarge`: well formed, but an offset or size above 2^53−1, which this program does not represent.
 */
export class XdrError extends Error {
  readonly kind: "malformed" | "tooLarge";
  constructor(kind: "malformed" | "tooLarge", message: string) {
    super(message);
    this.name = "XdrError";
    this.kind = kind;
  }
}
