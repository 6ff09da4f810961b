/** A block of zeros, shared by all who need some; nobody may write to it. */
export const zeroBlock: Buffer = Buffer.alloc(1024 * 1024);

/** Whether all bytes are zero; up to 1 MiB at memcmp speed. */
export function isZero(data: Uint8Array): boolean {
  return (
    data.length <= zeroBlock.length &&
    (data.length === 0 ||
      (data[0] === 0 && Buffer.compare(data, zeroBlock.subarray(0, data.length)) === 0))
  );
}
