import type { Brand } from "../base/brand.ts";
import { FsError } from "./error.ts";

/** A directory entry's name: 1 to 255 bytes of UTF-8, without `/` and NUL, not `.` or `..`. */
export type FileName = Brand<string, "FileName">;

/** The name of an extended attribute, without its namespace: 1 to 255 bytes of UTF-8 without NUL; opaque (RFC 8276 §5, §8.1). */
export type XattrName = Brand<string, "XattrName">;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes bytes as UTF-8 without normalisation; undefined when they are not (RFC 8881 §14.5). */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/**
 * Parses a name from the wire.
 * @throws {FsError} INVAL for an empty name or bytes that are no UTF-8; NAMETOOLONG over 255 bytes; BADCHAR for a NUL or a `/`;
 * BADNAME for `.` and `..` (RFC 8881 §14.5).
 */
export function fileName(bytes: Uint8Array): FileName {
  if (bytes.length === 0) throw new FsError("INVAL", "Empty name");
  if (bytes.length > 255) throw new FsError("NAMETOOLONG", `Name of ${bytes.length} bytes`);
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new FsError("INVAL", "Name is not valid UTF-8");
  if (text.includes("/") || text.includes("\0")) {
    throw new FsError("BADCHAR", `Name with a slash or NUL: ${JSON.stringify(text)}`);
  }
  if (text === "." || text === "..") throw new FsError("BADNAME", `Reserved name '${text}'`);
  return text as FileName;
}

/**
 * Parses the name of an extended attribute from the wire.
 * @throws {FsError} INVAL for an empty name or bytes that are no UTF-8; NAMETOOLONG over 255 bytes; BADCHAR for a NUL.
 */
export function xattrName(bytes: Uint8Array): XattrName {
  if (bytes.length === 0) throw new FsError("INVAL", "Empty name of an extended attribute");
  if (bytes.length > 255) throw new FsError("NAMETOOLONG", `Name of ${bytes.length} bytes`);
  const text = decodeUtf8(bytes);
  if (text === undefined) {
    throw new FsError("INVAL", "Name of an extended attribute is not valid UTF-8");
  }
  if (text.includes("\0")) {
    throw new FsError("BADCHAR", "Name of an extended attribute with a NUL");
  }
  return text as XattrName;
}
