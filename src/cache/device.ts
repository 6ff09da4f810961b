import type { Device } from "../vfs/attributes.ts";

/** A device number as a row's `target` has it: major and minor, 4 bytes each, big endian. */
export function deviceBytes({ major, minor }: Device): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(major);
  bytes.writeUInt32BE(minor, 4);
  return bytes;
}

/** What {@link deviceBytes} made; 0, 0 for anything else. */
export function deviceOf(bytes: Uint8Array | undefined): Device {
  if (bytes?.length !== 8) return { major: 0, minor: 0 };
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return { major: view.readUInt32BE(), minor: view.readUInt32BE(4) };
}
