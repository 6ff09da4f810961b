import type { Brand } from "../base/brand.ts";

/** Identifies a file for ever: positive, below 2^53, never reused. Also the fileid of RFC 8881 §5.8.2.6. */
export type InodeNumber = Brand<number, "InodeNumber">;

/** A point in time; seconds since the Unix epoch (may be negative) plus 0 to 999,999,999 nanoseconds. */
export interface Timespec {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** The kinds of files this file system holds. */
export type FileType =
  | "file"
  | "directory"
  | "symlink"
  | "fifo"
  | "socket"
  | "blockDevice"
  | "characterDevice";

/** What a device node stands for; two numbers of 32 bits that only the client understands. */
export interface Device {
  readonly major: number;
  readonly minor: number;
}

/** All attributes of a file at one moment. */
export interface Attributes {
  readonly inode: InodeNumber;
  readonly type: FileType;
  /** Of device nodes only. */
  readonly device?: Device;
  /** Permission, setuid, setgid and sticky bits: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** 0 for an open file without a name; directories at least 2. */
  readonly linkCount: number;
  readonly sizeBytes: number;
  /** Bytes that hold data, whether cached here or only at S3; holes do not count. */
  readonly usedBytes: number;
  readonly accessTime: Timespec;
  readonly modifyTime: Timespec;
  readonly changeTime: Timespec;
  /** Grows with every change of data or metadata, over restarts too; never reused (RFC 8881 §5.8.1.4). */
  readonly change: number;
}

/** Attributes to set; what is absent stays. `"now"` is the server's clock. */
export interface AttributeChanges {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly sizeBytes?: number;
  readonly accessTime?: Timespec | "now";
  readonly modifyTime?: Timespec | "now";
}

/** The directory's change attribute around one atomic change (RFC 8881 §3.3.4, `atomic` is always true). */
export interface ChangeInfo {
  readonly before: number;
  readonly after: number;
}
