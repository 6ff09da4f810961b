import { deviceBytes, deviceOf } from "../cache/device.ts";
import type { FileType, Timespec } from "../vfs/attributes.ts";

/**
 * POSIX attributes in user metadata, under the names that AWS's own services share:
 *
 * | name | value |
 * |---|---|
 * | file-permissions | octal st_mode with the type bits, seven digits: `0100644` |
 * | file-owner, file-group | decimal uid and gid |
 * | file-mtime, file-atime | nanoseconds since the epoch with the suffix `ns` |
 * | file-device | of device nodes: `<major>:<minor>`, decimal (ours alone) |
 */
export interface PosixMetadata {
  readonly type: FileType | undefined;
  /** 0 to 0o7777, setuid and setgid included. */
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly modifyTime: Timespec | undefined;
  readonly accessTime: Timespec | undefined;
}

const typeBits = {
  fifo: 0o010000,
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
  blockDevice: 0o060000,
  characterDevice: 0o020000,
} as const satisfies Record<FileType, number>;

function encodeTime(time: Timespec): string {
  return `${BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds)}ns`;
}

/** Milliseconds since the epoch as a point in time. */
export function timeOfMs(ms: number): Timespec {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanoseconds: Math.round((ms - seconds * 1000) * 1_000_000) };
}

/** The user metadata of these attributes. */
export function encodePosix(attributes: {
  readonly type: FileType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifyTime: Timespec;
  readonly accessTime: Timespec;
}): Record<string, string> {
  const bits = typeBits[attributes.type] | (attributes.mode & 0o7777);
  return {
    "file-permissions": bits.toString(8).padStart(7, "0"),
    "file-owner": String(attributes.uid),
    "file-group": String(attributes.gid),
    "file-mtime": encodeTime(attributes.modifyTime),
    "file-atime": encodeTime(attributes.accessTime),
  };
}

const maxNumber = 0xffff_ffff;

/** The user metadata of a device node's numbers, none for other kinds of files. */
export function encodeDevice(row: {
  readonly type: FileType;
  readonly target: Uint8Array | undefined;
}): Record<string, string> {
  if (row.type !== "blockDevice" && row.type !== "characterDevice") return {};
  const { major, minor } = deviceOf(row.target);
  return { "file-device": `${major}:${minor}` };
}

/** The numbers that {@link encodeDevice} wrote, as a row's target has them. */
export function decodeDevice(metadata: Readonly<Record<string, string>>): Uint8Array | undefined {
  const found = /^(\d{1,10}):(\d{1,10})$/.exec(metadata["file-device"] ?? "");
  const [major, minor] = [Number(found?.[1]), Number(found?.[2])];
  return major <= maxNumber && minor <= maxNumber ? deviceBytes({ major, minor }) : undefined;
}

/** Reads `<n>ns`; a number without a unit is taken for seconds, milliseconds or nanoseconds by its size. */
function decodeTime(text: string | undefined): Timespec | undefined {
  const found = /^(-?\d{1,20})(ns)?$/.exec(text ?? "");
  if (found === null) return undefined;
  let ns = BigInt(found[1] ?? "0");
  if (found[2] === undefined) {
    const size = ns < 0n ? -ns : ns;
    if (size < 100_000_000_000n) ns *= 1_000_000_000n;
    else if (size < 100_000_000_000_000n) ns *= 1_000_000n;
  }
  const nanoseconds = Number(((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  const seconds = Number((ns - BigInt(nanoseconds)) / 1_000_000_000n);
  return Number.isSafeInteger(seconds) ? { seconds, nanoseconds } : undefined;
}

function decodeId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id < 0xffff_ffff ? id : undefined; // 2^32−1 means "no change" to chown
}

/** Reads what is there and well formed; anything else is undefined, for the volume's defaults. */
export function decodePosix(metadata: Readonly<Record<string, string>>): PosixMetadata {
  const text = metadata["file-permissions"] ?? "";
  const bits = /^[0-7]{1,7}$/.test(text) ? Number.parseInt(text, 8) : undefined;
  const type =
    bits === undefined
      ? undefined
      : (Object.keys(typeBits) as FileType[]).find((name) => typeBits[name] === (bits & 0o170000));
  return {
    type,
    mode: bits === undefined ? undefined : bits & 0o7777,
    uid: decodeId(metadata["file-owner"]),
    gid: decodeId(metadata["file-group"]),
    modifyTime: decodeTime(metadata["file-mtime"]),
    accessTime: decodeTime(metadata["file-atime"]),
  };
}
