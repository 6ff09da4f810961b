/** Name, without `x-amz-meta-`, of the user metadata that says which request of ours made an object. */
export const markHeader = "s3files-write";

/**
 * The mark `<volume>.<inode>.<generation>.<attempt>`. `<volume>` is the random id of this volume's state on this
 * node: two nodes that share a volume count inodes and attempts alike and must not take each other's for their own.
 */
export function writeMark(
  volumeUuid: Uint8Array,
  parts: { readonly inode: number; readonly generation: number; readonly attempt: number },
): string {
  const volume = Buffer.from(volumeUuid).toString("hex");
  return `${volume}.${parts.inode}.${parts.generation}.${parts.attempt}`;
}
