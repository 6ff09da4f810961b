import type { FsError } from "../vfs/error.ts";
import { XdrWriter } from "../xdr/writer.ts";
import {
  type AttributeRow,
  type AttributeSource,
  attributeRows,
  readableRows,
  supportedAttributes,
} from "./attributes.ts";
import { NfsError, statusOfFsError } from "./status.ts";
import { fattr4_number } from "./wire/attribute.ts";
import { bitmapOf, hasBit } from "./wire/bitmap.ts";
import { nfsstat4 } from "./wire/status.ts";
import type { bitmap4, fattr4 } from "./wire/types.ts";

/** What a mask asks for, worked out once for many objects. */
export interface AttributePlan {
  readonly rows: readonly AttributeRow[];
  readonly mask: bitmap4;
  /** Whether any row needs the object's own attributes. */
  readonly needsObject: boolean;
  /** The rows that can be told when the object's attributes cannot. */
  readonly withoutObject: { readonly rows: readonly AttributeRow[]; readonly mask: bitmap4 };
  /** Whether the client wants to be told of an object's error in its entry (RFC 8881 §5.8.1.12). */
  readonly wantsError: boolean;
}

const maskOf = (rows: readonly AttributeRow[]) => bitmapOf(rows.map(({ number }) => number));

const setOnlyNumbers = attributeRows
  .filter(({ get }) => get === undefined)
  .map(({ number }) => number);
const plans = new Map<string, AttributePlan>();
const keptPlans = 500;

/** Words of a bitmap that can have a bit of ours; a client may send a mebibyte of others. */
const wordsOfOurs = supportedAttributes(2).length;

/** The plan for a request; what is not supported is left out. @throws {NfsError} INVAL for what can only be set. */
export function planAttributes(request: bitmap4, minorVersion: 1 | 2): AttributePlan {
  const key = `${minorVersion}:${request.slice(0, wordsOfOurs).join(":")}`;
  const known = plans.get(key);
  if (known !== undefined) return known;
  // RFC 8881 §5.5: a set-only attribute cannot be asked for.
  if (setOnlyNumbers.some((number) => hasBit(request, number))) {
    throw new NfsError("NFS4ERR_INVAL", "An attribute that can only be set was asked for");
  }
  const rows = readableRows(request, minorVersion);
  const told = rows.filter(({ needsObject }) => !needsObject);
  const plan: AttributePlan = {
    rows,
    mask: maskOf(rows),
    needsObject: told.length < rows.length,
    withoutObject: { rows: told, mask: maskOf(told) },
    wantsError: rows.some(({ number }) => number === fattr4_number.FATTR4_RDATTR_ERROR),
  };
  if (plans.size >= keptPlans) plans.clear();
  plans.set(key, plan);
  return plan;
}

/** The values of a plan for one object (RFC 8881 §5.1). @throws {FsError | Suspended} what its attributes throw. */
export function encodeAttributes(plan: AttributePlan, source: AttributeSource): fattr4 {
  const writer = new XdrWriter();
  for (const row of plan.rows) row.get?.(writer, source);
  return { attrmask: plan.mask, attr_vals: writer.toBuffer() };
}

/** The values that can be told of an object whose attributes cannot be had, with the error among them. */
export function encodeAttributeError(
  plan: AttributePlan,
  source: AttributeSource,
  error: FsError,
): fattr4 {
  const writer = new XdrWriter();
  for (const row of plan.withoutObject.rows) {
    if (row.number === fattr4_number.FATTR4_RDATTR_ERROR) {
      nfsstat4.encode(writer, statusOfFsError[error.code]);
    } else {
      row.get?.(writer, source);
    }
  }
  return { attrmask: plan.withoutObject.mask, attr_vals: writer.toBuffer() };
}
