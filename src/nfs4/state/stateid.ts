import { fixedOpaque, struct, type TypeOf, u32 } from "../../xdr/codec.ts";

const codec = struct({ seqid: u32, other: fixedOpaque(12) });

/** A stateid4: 32 bits that count, 12 bytes that name the state (RFC 8881 §8.2). */
export type StateId = TypeOf<typeof codec>;

/** What a client may send in place of a stateid (RFC 8881 §8.2.3). */
export type SpecialStateId = "anonymous" | "bypass" | "current" | "invalid";

const all = (byte: number, bytes: Uint8Array) => bytes.every((each) => each === byte);

/** Which special stateid this is, if any. */
export function specialStateId({ seqid, other }: StateId): SpecialStateId | undefined {
  const [first] = other;
  // A state's own bytes start with 1 or 2.
  if (first === 0 && all(0, other)) {
    if (seqid === 0) return "anonymous";
    // RFC 8881 §16.2.3.1.2: the compound's current stateid.
    if (seqid === 1) return "current";
    return "invalid";
  }
  if (first === 0xff && all(0xff, other)) return seqid === 0xffff_ffff ? "bypass" : "invalid";
  return undefined;
}

/** The seqid after this one; 0 is never used (RFC 8881 §8.2.2). */
export function nextSeqid(seqid: number): number {
  return seqid === 0xffff_ffff ? 1 : seqid + 1;
}

/** The kinds of state that a stateid names. */
export type StateKind = "open" | "lock";

const kindByte = { open: 1, lock: 2 } as const satisfies Record<StateKind, number>;

/** 12 bytes for a new state: its kind and 88 random bits, so that none is ever used again. */
export function newStateIdOther(
  kind: StateKind,
  randomBytes: (length: number) => Uint8Array,
): Uint8Array {
  const other = new Uint8Array(12);
  other[0] = kindByte[kind];
  other.set(randomBytes(11), 1);
  return other;
}

/** How a stateid's seqid relates to the state's own (RFC 8881 §8.2.2). */
export function judgeSeqid(seqid: number, current: number): "current" | "old" | "future" {
  // RFC 8881 §8.2.2: zero means the latest.
  if (seqid === 0 || seqid === current) return "current";
  return (current - seqid) >>> 0 < 2 ** 31 ? "old" : "future";
}
