// RFC 8881 §18.23: READDIR.

import { FsError } from "../../vfs/error.ts";
import type { DirectoryEntry } from "../../vfs/file-system.ts";
import {
  type AttributePlan,
  encodeAttributeError,
  encodeAttributes,
  planAttributes,
} from "../encode-attributes.ts";
import { currentInode, type OperationContext, operation } from "../operation.ts";
import { permittedOnFile } from "../permitted.ts";
import { NfsError, statusOfFsError } from "../status.ts";
import { type entry4, READDIR4args, READDIR4res } from "../wire/directory.ts";
import { attributeSource } from "./attribute-source.ts";

const cookieVerifier = new Uint8Array(8);

/** Entries asked of the file system at a time, at most, and bytes that an entry takes at least. */
const pageEntries = 512;
const leastEntryBytes = 64;
/** Bytes of READDIR4resok besides its entries: verifier, end of list, eof. */
const frameBytes = 8 + 4 + 4;

const padded = (length: number) => (length + 3) & ~3;

/** Bytes of an entry in the reply: the word before it, cookie, name, mask and values. */
function entryBytes({ name, attrs }: entry4): number {
  return (
    4 +
    8 +
    4 +
    padded(name.length) +
    4 +
    attrs.attrmask.length * 4 +
    4 +
    padded(attrs.attr_vals.length)
  );
}

function encodeEntry(
  context: OperationContext,
  plan: AttributePlan,
  entry: DirectoryEntry,
): entry4 {
  const { attributes } = entry;
  const name = Buffer.from(entry.name);
  const cookie = BigInt(entry.cookie);
  if (!(attributes instanceof FsError)) {
    const source = attributeSource(context, entry.inode, attributes);
    return { cookie, name, attrs: encodeAttributes(plan, source) };
  }
  // RFC 8881 §18.23.3: without rdattr_error one entry's error is the whole call's.
  if (!plan.wantsError) throw new NfsError(statusOfFsError[attributes.code], attributes.message);
  const source = attributeSource(context, entry.inode);
  return { cookie, name, attrs: encodeAttributeError(plan, source, attributes) };
}

/** RFC 8881 §18.23. */
export const readdir = operation({
  name: "OP_READDIR",
  args: READDIR4args,
  result: READDIR4res,
  errors: permittedOnFile("ACCESS BAD_COOKIE INVAL IO NOTDIR NOT_SAME TOOSMALL"),
  run(args, context) {
    const directory = currentInode(context);
    // RFC 8881 §18.23.3: 1 and 2 are reserved.
    if (args.cookie === 1n || args.cookie === 2n || args.cookie > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new NfsError("NFS4ERR_BAD_COOKIE", `Cookie ${args.cookie}`);
    }
    // RFC 8881 §18.23.3: a verifier that was never given; there is one, since cookies stay what they are.
    if (args.cookie !== 0n && Buffer.compare(args.cookieverf, cookieVerifier) !== 0) {
      throw new NfsError("NFS4ERR_NOT_SAME", "Not the verifier of these cookies");
    }
    const plan = planAttributes(args.attr_request, context.minorVersion);
    // RFC 8881 §18.23.3: maxcount bounds all of READDIR4resok.
    const limitBytes = Math.min(args.maxcount, context.roomBytes - 4) - frameBytes;
    if (limitBytes < 0) {
      throw new NfsError("NFS4ERR_TOOSMALL", `No list fits into ${args.maxcount} bytes`);
    }
    const entries: entry4[] = [];
    let usedBytes = 0;
    // RFC 8881 §18.23.3, §18.23.4: a hint of how much of names and cookies is wanted, 0 for none.
    const wantedBytes = args.dircount === 0 ? Number.POSITIVE_INFINITY : args.dircount;
    let nameBytes = 0;
    let after = Number(args.cookie);
    for (;;) {
      const page = context.fileSystem.readDirectory(context.call, directory, {
        after,
        limit: Math.min(pageEntries, 1 + Math.ceil((limitBytes - usedBytes) / leastEntryBytes)),
        attributes: plan.needsObject,
      });
      let isFull = false;
      for (const entry of page.entries) {
        const encoded = encodeEntry(context, plan, entry);
        const bytes = entryBytes(encoded);
        nameBytes += 8 + 4 + padded(encoded.name.length);
        if (usedBytes + bytes > limitBytes || (entries.length > 0 && nameBytes > wantedBytes)) {
          isFull = true;
          break;
        }
        usedBytes += bytes;
        entries.push(encoded);
        after = entry.cookie;
      }
      if (isFull && entries.length === 0) {
        throw new NfsError("NFS4ERR_TOOSMALL", `No entry fits into ${args.maxcount} bytes`);
      }
      if (isFull || page.endOfDirectory || page.entries.length === 0) {
        const eof = !isFull && page.endOfDirectory;
        return {
          status: "NFS4_OK",
          resok4: { cookieverf: cookieVerifier, reply: { entries, eof } },
        } as const;
      }
    }
  },
});
