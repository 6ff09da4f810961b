/**
 * What canary objects have shown: `honoured` the outcome was right · `ignored` the store answered as if, and did
 * something else · `refused` it said that it does not know this · `unknown` nobody could ask.
 */
export type AbilityOutcome = "honoured" | "ignored" | "refused" | "unknown";

/** An ability of a store: what it is, and what is done where it was not proved. */
export interface Ability {
  readonly label: string;
  /** What the engine does instead, and what remains of a risk. */
  readonly degraded: string;
  /** Nothing is at stake: reported, and no warning. */
  readonly isMinor?: true;
}

/**
 * The abilities that something depends on. RenameObject and appends (`x-amz-write-offset-bytes`), which damage data
 * silently on some servers, are not among them: they are never used.
 */
export const abilities = {
  putIfAbsent: {
    label: "PUT with If-None-Match: *",
    degraded:
      "a HEAD right before each PUT of a new name; what somebody else puts there between the two is overwritten",
  },
  putIfMatch: {
    label: "PUT with If-Match",
    degraded:
      "a HEAD right before each PUT over an object; what somebody else puts there between the two is overwritten",
  },
  completeIfAbsent: {
    label: "CompleteMultipartUpload with If-None-Match: *",
    degraded:
      "a HEAD right before each completion under a new name; what somebody else puts there between the two is overwritten",
  },
  completeIfMatch: {
    label: "CompleteMultipartUpload with If-Match",
    degraded:
      "a HEAD right before each completion over an object; what somebody else puts there between the two is overwritten",
  },
  deleteIfMatch: {
    label: "DELETE with If-Match",
    degraded:
      "a HEAD right before each DELETE; what somebody else puts there between the two, or before a DELETE without an answer arrives, is deleted",
  },
  copyIfAbsent: {
    label: "CopyObject with If-None-Match: *",
    degraded: "renames are multipart uploads of copied parts, or a PUT: more requests, no risk",
    isMinor: true,
  },
  copyIfMatch: {
    label: "CopyObject with If-Match",
    degraded:
      "changes of attributes are multipart uploads of copied parts, or a PUT: more requests, no risk",
    isMinor: true,
  },
  copySourceIfMatch: {
    label: "CopyObject with a condition on its source",
    degraded: "CopyObject is not used: more requests, no risk",
    isMinor: true,
  },
  uploadPartCopy: {
    label: "UploadPartCopy of a range",
    degraded: "unchanged bytes of large objects are read and sent again",
  },
  uploadPartCopyIfMatch: {
    label: "UploadPartCopy with a condition on its source",
    degraded:
      "a HEAD of the source after each copied part; an object that was replaced and put back meanwhile is not noticed",
  },
  checksums: {
    label: "bodies that contradict their checksum are refused",
    degraded: "damage on the way to the store is noticed by TLS only",
  },
  listingOrder: {
    label: "listings in the order of the keys' bytes, whole over several pages",
    degraded: "nothing depends on the order; keys that listings leave out do not show",
  },
  listingStartAfter: {
    label: "listings that begin after a key",
    degraded: "nothing depends on it",
    isMinor: true,
  },
  listingEncoding: {
    label: "any key survives a listing",
    degraded: "keys with control characters may be hidden or show wrongly",
  },
  readAfterWrite: {
    label: "GET and HEAD see every change at once",
    degraded:
      "none: another writer's change can be missed, and a change without an answer be sent twice; use one writer only",
  },
  listAfterWrite: {
    label: "listings see every change at once",
    degraded: "a HEAD before a name is taken away because a listing lacks it",
  },
} as const satisfies Record<string, Ability>;

/** The name of an ability. */
export type AbilityName = keyof typeof abilities;

/** All of them, in the order of the table. */
export const abilityNames = Object.keys(abilities) as readonly AbilityName[];

/** What is known of a store. */
export type StoreAbilities = Readonly<Record<AbilityName, AbilityOutcome>>;

/** The same outcome for each ability. */
export function everyAbility(outcome: AbilityOutcome): StoreAbilities {
  return Object.fromEntries(abilityNames.map((name) => [name, outcome])) as StoreAbilities;
}

/** A part of a store of which nothing has been proved: every degraded mode applies. */
export const noneProved = everyAbility("unknown");

/** A store that does all that AWS's does. */
export const allHonoured = everyAbility("honoured");
