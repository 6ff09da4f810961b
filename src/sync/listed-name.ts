import { isLocalName, reservedName } from "../cache/volume-state.ts";
import type { FileName } from "../vfs/name.ts";

/** What a key's part below a directory's prefix is: a name, ours and not to be seen, or no possible name. */
export type ListedName =
  | { readonly kind: "name"; readonly name: FileName }
  | { readonly kind: "reserved" }
  | { readonly kind: "unmappable" };

/**
 * Classifies one path part of a listed key. The part is well-formed Unicode (the store left others out).
 * `showsLostAndFound`: what is kept there is in the bucket, and shows.
 */
export function listedName(part: string, atRoot: boolean, showsLostAndFound = false): ListedName {
  if (atRoot && part === reservedName) return { kind: "reserved" };
  if (
    part === "" ||
    part === "." ||
    part === ".." ||
    part.includes("/") ||
    part.includes("\0") ||
    Buffer.byteLength(part) > 255
  ) {
    return { kind: "unmappable" };
  }
  const name = part as FileName;
  return isLocalName(name, atRoot && !showsLostAndFound)
    ? { kind: "unmappable" }
    : { kind: "name", name };
}
