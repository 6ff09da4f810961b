import { struct } from "../xdr/codec.ts";
import { type Operation, operation } from "./operation.ts";
import { access, getattr, nverify, setattr, verify } from "./ops/attribute.ts";
import { copy } from "./ops/copy.ts";
import { createSession } from "./ops/create-session.ts";
import { commit, read, write } from "./ops/data.ts";
import { create, link, remove, rename } from "./ops/directory-change.ts";
import { exchangeId } from "./ops/exchange-id.ts";
import { getfh, putfh, putpubfh, putrootfh, restorefh, savefh } from "./ops/filehandle.ts";
import { lock, lockt, locku } from "./ops/lock.ts";
import { lookup, lookupp, readlink, secinfo, secinfoNoName } from "./ops/lookup.ts";
import { open } from "./ops/open.ts";
import { close, freeStateid, openDowngrade, testStateid } from "./ops/open-state.ts";
import { readdir } from "./ops/readdir.ts";
import { sequence } from "./ops/sequence.ts";
import {
  backchannelCtl,
  bindConnToSession,
  destroyClientid,
  destroySession,
  reclaimComplete,
} from "./ops/session-life.ts";
import { allocate, deallocate, ioAdvise, readPlus, seek } from "./ops/sparse.ts";
import { unsupported } from "./ops/unsupported.ts";
import { getxattr, listxattrs, removexattr, setxattr } from "./ops/xattr.ts";
import { permitted } from "./permitted.ts";
import { NfsError } from "./status.ts";
import { ILLEGAL4res } from "./wire/compound.ts";

/** RFC 8881 §18.52: what stands for an operation that does not exist. */
export const illegal = operation({
  name: "OP_ILLEGAL",
  args: struct({}),
  result: ILLEGAL4res,
  errors: permitted("OP_ILLEGAL"),
  run: () => {
    throw new NfsError("NFS4ERR_OP_ILLEGAL", "Unknown operation");
  },
});

/**
 * Every operation of RFC 8881, RFC 7862 and RFC 8276 (of which RFC 8276 §8.4 asks for all or none): what is supported, and what is not. Minor versions 1 and 2
 * share the table; 2 has more rows.
 */
export const operations: readonly Operation[] = [
  access,
  allocate,
  backchannelCtl,
  bindConnToSession,
  close,
  commit,
  copy,
  create,
  createSession,
  deallocate,
  destroyClientid,
  destroySession,
  exchangeId,
  freeStateid,
  getattr,
  getfh,
  getxattr,
  ioAdvise,
  link,
  listxattrs,
  lock,
  lockt,
  locku,
  lookup,
  lookupp,
  nverify,
  open,
  openDowngrade,
  putfh,
  putpubfh,
  putrootfh,
  read,
  readdir,
  readlink,
  readPlus,
  reclaimComplete,
  remove,
  removexattr,
  rename,
  restorefh,
  savefh,
  secinfo,
  secinfoNoName,
  seek,
  sequence,
  setattr,
  setxattr,
  testStateid,
  verify,
  write,
  ...unsupported,
];

const byNumber = new Map(operations.map((row) => [row.opnum, row]));

/** The row of a number (RFC 8276 §8.4 belongs to minor version 2), if this minor version has such an operation. */
export function operationOf(opnum: number, minorVersion: 1 | 2): Operation | undefined {
  const row = byNumber.get(opnum);
  return row !== undefined && row.minorVersion <= minorVersion ? row : undefined;
}
