import type { AttributeChanges, Timespec } from "../vfs/attributes.ts";
import { XdrError } from "../xdr/error.ts";
import { XdrReader } from "../xdr/reader.ts";
import { attributeRow, type settableNames } from "./attributes.ts";
import { NfsError } from "./status.ts";
import { fattr4_number } from "./wire/attribute.ts";
import { bitsOf } from "./wire/bitmap.ts";
import { type fattr4, settime4 } from "./wire/types.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type SettableName = (typeof settableNames)[number];

const maxOwnerBytes = 1024;

/** RFC 8881 §5.9: numbers without a domain. @throws {NfsError} BADOWNER. */
function ownerId(reader: XdrReader): number {
  const text = Buffer.from(reader.opaque(maxOwnerBytes)).toString("latin1");
  const id = Number(text);
  if (!/^\d{1,10}$/.test(text) || id > 0xffff_fffe) {
    throw new NfsError("NFS4ERR_BADOWNER", `Owner ${JSON.stringify(text)} is no number`);
  }
  return id;
}

/** @throws {NfsError} INVAL for a time that cannot be kept. */
function timeToSet(reader: XdrReader): Timespec | "now" {
  const time = settime4.decode(reader);
  if (time.set_it === "SET_TO_SERVER_TIME4") return "now";
  const { seconds, nseconds: nanoseconds } = time.time;
  const number = Number(seconds);
  if (nanoseconds > 999_999_999 || !Number.isSafeInteger(number)) {
    throw new NfsError("NFS4ERR_INVAL", `Time ${seconds}.${nanoseconds}`);
  }
  return { seconds: number, nanoseconds };
}

const setters = {
  FATTR4_SIZE: (changes, reader) => {
    changes.sizeBytes = reader.offset();
  },
  FATTR4_MODE: (changes, reader) => {
    const mode = reader.u32();
    // RFC 8881 §6.2.4: no other bits than these.
    if (mode > 0o7777) throw new NfsError("NFS4ERR_INVAL", `Mode ${mode.toString(8)}`);
    changes.mode = mode;
  },
  FATTR4_OWNER: (changes, reader) => {
    changes.uid = ownerId(reader);
  },
  FATTR4_OWNER_GROUP: (changes, reader) => {
    changes.gid = ownerId(reader);
  },
  FATTR4_TIME_ACCESS_SET: (changes, reader) => {
    changes.accessTime = timeToSet(reader);
  },
  FATTR4_TIME_MODIFY_SET: (changes, reader) => {
    changes.modifyTime = timeToSet(reader);
  },
} as const satisfies Record<
  SettableName,
  (changes: Writable<AttributeChanges>, reader: XdrReader) => void
>;

const setterByNumber = new Map<number, (typeof setters)[SettableName]>(
  Object.entries(setters).map(([name, set]) => [fattr4_number[name as SettableName], set]),
);

/** Whether a client may set the attribute of this number. */
export function isSettable(number: number): boolean {
  return setterByNumber.has(number);
}

/**
 * What a client wants set.
 * @throws {NfsError} ATTRNOTSUPP, INVAL (read-only, or no such value), BADOWNER, BADXDR, FBIG.
 */
export function attributeChanges(attributes: fattr4, minorVersion: 1 | 2): AttributeChanges {
  const changes: Writable<AttributeChanges> = {};
  const reader = new XdrReader(attributes.attr_vals);
  const numbers = bitsOf(attributes.attrmask);
  for (const number of numbers) {
    if (attributeRow(number, minorVersion) === undefined) {
      throw new NfsError("NFS4ERR_ATTRNOTSUPP", `Attribute ${number} is not supported`);
    }
    if (!setterByNumber.has(number)) {
      // RFC 8881 §5.5: read-only attributes.
      throw new NfsError("NFS4ERR_INVAL", `Attribute ${number} cannot be set`);
    }
  }
  try {
    for (const number of numbers) setterByNumber.get(number)?.(changes, reader);
    reader.end();
  } catch (error) {
    if (!(error instanceof XdrError)) throw error;
    const status = error.kind === "tooLarge" ? "NFS4ERR_FBIG" : "NFS4ERR_BADXDR";
    throw new NfsError(status, `Values of attributes: ${error.message}`);
  }
  return changes;
}
