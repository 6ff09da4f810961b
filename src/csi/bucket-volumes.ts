import { unreachable } from "../base/unreachable.ts";
import { BucketError, type BucketErrorCode, type BucketOperations } from "./bucket-operations.ts";
import { CsiError, type CsiErrorCode } from "./error.ts";
import {
  formatMark,
  indexKey,
  markKey,
  nodeOfRecord,
  nodesPrefix,
  type OwnershipMark,
  parseMark,
} from "./ownership-mark.ts";
import { isDerivedBucketName } from "./volume-id.ts";

const codeOf = {
  denied: "PERMISSION_DENIED",
  unauthenticated: "UNAUTHENTICATED",
  noSuchBucket: "NOT_FOUND",
  unavailable: "UNAVAILABLE",
  invalid: "INTERNAL",
} as const satisfies Record<BucketErrorCode, CsiErrorCode>;

/** The place that an operation works on, as error messages name it. */
export interface Place {
  readonly volume: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string;
}

/** The volume, bucket and endpoint of a place, in words. */
export function describePlace(place: Place): string {
  const below = place.prefix === "" ? "" : ` below '${place.prefix}'`;
  return `Volume ${place.volume}, bucket '${place.bucket}'${below} at ${place.endpoint}`;
}

/** One volume's bucket or prefix at its store, with failures turned into CSI errors that name it. */
export class VolumeBucket {
  readonly place: Place;
  readonly #operations: BucketOperations;
  readonly #signal: AbortSignal;

  constructor(
    options: { readonly place: Place },
    dependencies: { readonly operations: BucketOperations; readonly signal: AbortSignal },
  ) {
    this.place = options.place;
    this.#operations = dependencies.operations;
    this.#signal = dependencies.signal;
  }

  /** The error with the volume's place before its reason. */
  error(code: CsiErrorCode, reason: string, cause?: unknown): CsiError {
    return new CsiError(
      code,
      `${describePlace(this.place)}: ${reason}`,
      cause === undefined ? {} : { cause },
    );
  }

  async #at<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      throw this.error(codeOf[error.code], error.message, error);
    }
  }

  /** The mark at `prefix`, or why there is none. `foreign`: an object lies at its key that is no mark of this place. */
  readMark(
    prefix = this.place.prefix,
  ): Promise<
    | { readonly kind: "marked"; readonly mark: OwnershipMark; readonly etag: string }
    | { readonly kind: "foreign" | "unmarked" | "noSuchBucket" }
  > {
    const { bucket } = this.place;
    return this.#at(async () => {
      const read = await this.#operations.readDocument(bucket, markKey(prefix), this.#signal);
      switch (read.kind) {
        case "noSuchBucket":
          return { kind: "noSuchBucket" };
        case "notFound":
          return { kind: "unmarked" };
        case "found": {
          const mark = parseMark(read.text);
          if (mark === undefined || mark.bucket !== bucket || mark.prefix !== prefix) {
            return { kind: "foreign" };
          }
          return { kind: "marked", mark, etag: read.etag };
        }
      }
      return unreachable(read);
    });
  }

  /**
   * The volume that this one would lie in, so that deleting it would delete this one too: the mark of an owner
   * at the bucket's root or at a prefix above.
   */
  async surrounding(): Promise<OwnershipMark | undefined> {
    const parts = this.place.prefix.split("/").slice(0, -1);
    for (let depth = 0; depth < parts.length; depth++) {
      const above = parts.slice(0, depth).map((part) => `${part}/`);
      try {
        const found = await this.readMark(above.join(""));
        if (found.kind === "marked" && found.mark.state !== "released") return found.mark;
      } catch (error) {
        // Keys that are for some prefix only: what owns the rest of the bucket is not ours to see.
        if (!(error instanceof CsiError) || error.code !== "PERMISSION_DENIED") throw error;
      }
    }
    return undefined;
  }

  /** Makes the bucket. @throws {CsiError} ALREADY_EXISTS when another account has the name. */
  async create(): Promise<"created" | "exists"> {
    const { bucket } = this.place;
    const outcome = await this.#at(() => this.#operations.createBucket(bucket, this.#signal));
    if (outcome === "taken") {
      throw this.error("ALREADY_EXISTS", "another account owns a bucket of this name");
    }
    return outcome;
  }

  /**
   * Writes the mark if its key is free (or holds `replace`) and returns the mark that is there afterwards:
   * another one when somebody was faster, also on a store that ignores the condition.
   */
  async writeMark(mark: OwnershipMark, replace?: string): Promise<OwnershipMark> {
    const { bucket, prefix } = this.place;
    await this.#at(() =>
      this.#operations.writeDocument(
        { bucket, key: markKey(prefix), text: formatMark(mark) },
        replace === undefined ? "absent" : { etag: replace },
        this.#signal,
      ),
    );
    const now = await this.readMark();
    if (now.kind === "marked") return now.mark;
    throw this.error("ABORTED", "the ownership mark changed while the volume was being made");
  }

  /**
   * Puts the volume's prefix into its bucket's index, which ListVolumes reads. Keys that may write below the prefix
   * only cannot: such a volume works, and is not listed.
   */
  async addToIndex(): Promise<void> {
    const { bucket, prefix } = this.place;
    await this.#index(() =>
      this.#operations.writeDocument(
        { bucket, key: indexKey(prefix), text: '{"format":1}\n' },
        "absent",
        this.#signal,
      ),
    );
  }

  /** Takes the prefix out of its bucket's index; it need not be there. */
  async removeFromIndex(): Promise<void> {
    const { bucket, prefix } = this.place;
    if (prefix === "") return;
    await this.#index(() =>
      this.#operations.empty(bucket, { prefix: indexKey(prefix) }, this.#signal),
    );
  }

  async #index(work: () => Promise<unknown>): Promise<void> {
    try {
      await this.#at(work);
    } catch (error) {
      if (!(error instanceof CsiError) || error.code !== "PERMISSION_DENIED") throw error;
    }
  }

  /** Names of nodes that have a record of the volume: it is staged there, or S3 does not have all of it. At most 10. */
  async stagedOn(): Promise<readonly string[]> {
    const { bucket, prefix } = this.place;
    const page = { bucket, prefix: nodesPrefix(prefix), after: "", most: 10 };
    const keys = await this.#at(() => this.#operations.listKeys(page, this.#signal));
    return keys.map((key) => nodeOfRecord(prefix, key));
  }

  /** Whether nothing at all has a key below the volume's prefix. */
  isEmpty(): Promise<boolean> {
    const { bucket, prefix } = this.place;
    return this.#at(() => this.#operations.isEmpty(bucket, prefix, this.#signal));
  }

  /**
   * Whether the unmarked bucket is what an interrupted CreateVolume or DeleteVolume of ours left: its name
   * could only have come from this driver, and it is empty.
   */
  async isLeftover(): Promise<boolean> {
    const { bucket, prefix } = this.place;
    return prefix === "" && isDerivedBucketName(bucket) && (await this.isEmpty());
  }

  /**
   * Removes the volume's objects, then its mark, then the bucket when it is ours. The mark, which says `deleting`,
   * goes after the objects, so that a repeat after a crash at any point goes on where this stopped.
   * @throws {CsiError} ABORTED when somebody still writes; the mark is there again for the repeat.
   */
  async remove(mark: OwnershipMark): Promise<void> {
    const { bucket, prefix } = this.place;
    const keep = markKey(prefix);
    await this.#at(async () => {
      // What was there before the volume stays; the nodes' records are the volume's.
      const contents = mark.ownsContents ? { prefix, keep } : { prefix: nodesPrefix(prefix) };
      await this.#operations.empty(bucket, contents, this.#signal);
      await this.#operations.empty(bucket, { prefix: keep }, this.#signal);
    });
    if (!mark.createdBucket || !mark.ownsContents) return;
    if ((await this.removeBucket()) === "notEmpty") {
      await this.writeMark(mark);
      throw this.error("ABORTED", "objects were written while the bucket was being emptied");
    }
  }

  /** Removes the bucket if it is empty. */
  removeBucket(): Promise<"deleted" | "missing" | "notEmpty"> {
    return this.#at(() => this.#operations.deleteBucket(this.place.bucket, this.#signal));
  }
}
