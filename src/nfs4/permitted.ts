import { nfsstat4 } from "./wire/status.ts";

type Suffix<S> = S extends `NFS4ERR_${infer Name}` ? Name : never;
type Words<S extends string> = S extends `${infer Word} ${infer Rest}` ? Word | Words<Rest> : S;
/** A list of statuses without their prefix, separated by single spaces; anything else does not compile. */
type StatusList<S extends readonly string[]> = {
  readonly [K in keyof S]: S[K] extends string
    ? Words<S[K]> extends Suffix<nfsstat4> | ""
      ? S[K]
      : never
    : never;
};

/** What any operation may answer, as far as the rows of RFC 8881 §15.2 agree. */
const anywhere =
  "BADXDR DEADSESSION DELAY OP_NOT_IN_SESSION REP_TOO_BIG REP_TOO_BIG_TO_CACHE REQ_TOO_BIG " +
  "RETRY_UNCACHED_REP SERVERFAULT TOO_MANY_OPS";
const withCurrentFilehandle = "FHEXPIRED MOVED NOFILEHANDLE STALE";

function statuses(...lists: readonly string[]): ReadonlySet<nfsstat4> {
  const known = new Set<string>(nfsstat4.names);
  const names = lists.flatMap((list) => list.split(" ").filter((word) => word !== ""));
  return new Set(
    names.map((name) => {
      const status = `NFS4ERR_${name}`;
      if (!known.has(status)) throw new Error(`Unknown status ${status}`);
      return status as nfsstat4;
    }),
  );
}

/** The errors of an operation that needs no filehandle, none of NFSv4.0 alone (RFC 8881 §15.1.16): those given and what any operation may answer. */
export function permitted<const S extends readonly string[]>(
  ...lists: StatusList<S>
): ReadonlySet<nfsstat4> {
  return statuses(anywhere, ...lists);
}

/** The errors of an operation on the current filehandle: those given, and {@link permitted}'s. */
export function permittedOnFile<const S extends readonly string[]>(
  ...lists: StatusList<S>
): ReadonlySet<nfsstat4> {
  return statuses(anywhere, withCurrentFilehandle, ...lists);
}

/** The errors of an operation that no minor version from 1 on may have (RFC 8881 §8.8, §15.2): not even those of sessions. */
export const permittedObsolete: ReadonlySet<nfsstat4> = statuses("NOTSUPP");

/** What to answer in place of a status that an operation's list lacks, first choice first. */
const substitutes: Partial<Record<nfsstat4, readonly nfsstat4[]>> = {
  // RFC 8881 §15.2: REMOVE and RENAME know no PERM; the sticky bit is an ACCESS.
  NFS4ERR_PERM: ["NFS4ERR_ACCESS"],
  NFS4ERR_BADNAME: ["NFS4ERR_INVAL"],
  NFS4ERR_BADCHAR: ["NFS4ERR_INVAL"],
  NFS4ERR_ISDIR: ["NFS4ERR_WRONG_TYPE", "NFS4ERR_EXIST", "NFS4ERR_INVAL"],
  NFS4ERR_SYMLINK: ["NFS4ERR_WRONG_TYPE", "NFS4ERR_INVAL"],
  NFS4ERR_WRONG_TYPE: ["NFS4ERR_INVAL"],
  NFS4ERR_NOTDIR: ["NFS4ERR_WRONG_TYPE"],
  NFS4ERR_DQUOT: ["NFS4ERR_NOSPC"],
  // The store had no room for what needs next to none; it has made some.
  NFS4ERR_NOSPC: ["NFS4ERR_DELAY"],
};

/** `status` when the list has it, else the nearest that it has. */
export function permittedStatus(errors: ReadonlySet<nfsstat4>, status: nfsstat4): nfsstat4 {
  if (errors.has(status)) return status;
  // RFC 8881 §2.10.6.1.3: nor RETRY_UNCACHED_REP, nor OP_NOT_IN_SESSION.
  if (errors === permittedObsolete) return "NFS4ERR_NOTSUPP";
  for (const substitute of substitutes[status] ?? []) if (errors.has(substitute)) return substitute;
  return errors.has("NFS4ERR_IO") ? "NFS4ERR_IO" : "NFS4ERR_SERVERFAULT";
}
