import {
  type ObjectKey,
  type ObjectStore,
  ObjectStoreError,
  type RequestOptions,
} from "../s3/object-store.ts";
import {
  type AbilityName,
  type AbilityOutcome,
  noneProved,
  type StoreAbilities,
} from "./abilities.ts";
import { Canaries, canaryPrefix, isRefusal, judgeCondition, otherEtag } from "./canaries.ts";

/** What canary objects have shown of a store. */
export interface ProbeReport {
  readonly abilities: StoreAbilities;
  /** False when some question could not be asked: those abilities are `unknown`. */
  readonly isComplete: boolean;
  /** Why questions could not be asked. */
  readonly errors: readonly string[];
  /** Who the store says has begun our multipart uploads; absent where it does not say. */
  readonly initiator?: string;
}

/** A store, and where it can do so a request that must be refused. */
export type ProbedStore = ObjectStore & {
  putDamaged?(key: ObjectKey, options?: RequestOptions): Promise<"stored" | "refused">;
};

type Findings = Partial<Record<AbilityName, AbilityOutcome>>;

/** In the order of their bytes, which is not that of their UTF-16 units. */
const ordered = ["l/a", "l/a b", "l/a+b", "l/b%20", "l/é", "l/\uff5e", "l/\u{10000}"];
const odd = ["l/", "o/&<>\"'", "o/ + %2B", "o/tab\there", "o/bell\u0007"];

/**
 * Finds out by outcomes, on objects of its own below the volume's `.s3files/probe/`, what a store honours. What an
 * earlier one of the same `id` left is removed first. Never rejects because of the store: what could not be asked is
 * `unknown`. Rejects with the signal's reason when that aborts; canaries then stay until the next time.
 */
export async function probeStore(
  store: ProbedStore,
  volume: { readonly prefix: string; readonly id: string; readonly nowMs: number },
  options: RequestOptions = {},
): Promise<ProbeReport> {
  const prefix = canaryPrefix(volume.prefix);
  const canaries = new Canaries(store, `${prefix}${volume.id}/`, options);
  const found: Findings = {};
  const errors = new Set<string>();
  let initiator: string | undefined;
  const run = async (ask: () => Promise<void>): Promise<void> => {
    try {
      await ask();
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof ObjectStoreError)) throw error;
      errors.add(error.message);
    }
  };
  await run(() => canaries.clear({ prefix, nowMs: volume.nowMs }));
  const write = errors.size;
  await run(() => askPut(canaries, found));
  // Where not even a PUT is answered or allowed, nothing else needs to be asked.
  if (errors.size === write) {
    await Promise.all([
      run(() => askComplete(canaries, found)),
      run(() => askPartCopy(canaries, found)),
      run(() => askCopy(canaries, found)),
      run(() => askDelete(canaries, found)),
      run(() => askListing(canaries, found)),
      run(() => askChecksums(canaries, store, found)),
      run(async () => {
        initiator = await askInitiator(canaries);
      }),
    ]);
  }
  await run(() => canaries.clear());
  await run(() => canaries.remove(odd));
  return {
    abilities: { ...noneProved, ...found },
    isComplete: Object.keys(found).length === Object.keys(noneProved).length,
    errors: [...errors],
    ...(initiator === undefined ? {} : { initiator }),
  };
}

function both(a: boolean, b: boolean): AbilityOutcome {
  return a && b ? "honoured" : "ignored";
}

async function askPut(canaries: Canaries, found: Findings): Promise<void> {
  await canaries.put("p/a", "one");
  const isRead = (await canaries.text("p/a")) === "one";
  const isListed = (await canaries.list("p/")).includes("p/a");
  found.putIfAbsent = await judgeCondition(
    () => canaries.put("p/a", "two", "absent"),
    async () => (await canaries.text("p/a")) === "one",
    async () => (await canaries.put("p/b", "one", "absent")).kind === "stored",
  );
  await canaries.put("p/a", "three");
  found.putIfMatch = await judgeCondition(
    () => canaries.put("p/a", "four", otherEtag),
    async () => (await canaries.text("p/a")) === "three",
    async () => {
      const etag = (await canaries.etag("p/a")) ?? otherEtag;
      return (await canaries.put("p/a", "five", etag)).kind === "stored";
    },
  );
  await canaries.put("p/a", "six");
  const isReadAgain = (await canaries.text("p/a")) === "six";
  await canaries.store.delete(canaries.key("p/a"), "any", canaries.options);
  const isGone = (await canaries.text("p/a")) === undefined;
  found.readAfterWrite = both(isRead && isReadAgain, isGone);
  found.listAfterWrite = both(isListed, !(await canaries.list("p/")).includes("p/a"));
}

async function askComplete(canaries: Canaries, found: Findings): Promise<void> {
  const complete = (name: string, text: string, condition: Parameters<Canaries["upload"]>[2]) =>
    canaries.upload(name, (uploadId) => canaries.part(name, uploadId, text), condition);
  await canaries.put("m/a", "one");
  found.completeIfAbsent = await judgeCondition(
    () => complete("m/a", "two", "absent"),
    async () => (await canaries.text("m/a")) === "one",
    async () => {
      const { kind } = await complete("m/b", "one", "absent");
      return kind === "stored" && (await canaries.text("m/b")) === "one";
    },
  );
  await canaries.put("m/a", "three");
  found.completeIfMatch = await judgeCondition(
    () => complete("m/a", "four", otherEtag),
    async () => (await canaries.text("m/a")) === "three",
    async () => {
      const etag = (await canaries.etag("m/a")) ?? otherEtag;
      const { kind } = await complete("m/a", "five", etag);
      return kind === "stored" && (await canaries.text("m/a")) === "five";
    },
  );
}

async function askPartCopy(canaries: Canaries, found: Findings): Promise<void> {
  await canaries.put("u/source", "0123456789");
  const etag = (await canaries.etag("u/source")) ?? otherEtag;
  const copy = (name: string, ifMatch: typeof etag) =>
    canaries.upload(
      name,
      (uploadId) => {
        const source = { key: canaries.key("u/source"), ifMatch, offsetBytes: 2, lengthBytes: 5 };
        const { store, options } = canaries;
        return store.uploadPartCopy(canaries.key(name), uploadId, 1, source, options);
      },
      "any",
    );
  try {
    await copy("u/a", etag);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    found.uploadPartCopy = "refused";
    found.uploadPartCopyIfMatch = "refused";
    return;
  }
  found.uploadPartCopy = (await canaries.text("u/a")) === "23456" ? "honoured" : "ignored";
  found.uploadPartCopyIfMatch = await judgeCondition(
    () => copy("u/b", otherEtag),
    async () => (await canaries.etag("u/b")) === undefined,
    () => Promise.resolve(true),
  );
}

async function askCopy(canaries: Canaries, found: Findings): Promise<void> {
  const { store, options } = canaries;
  await canaries.put("c/source", "source");
  await canaries.put("c/a", "one");
  const etag = (await canaries.etag("c/source")) ?? otherEtag;
  const copy = (name: string, condition: Parameters<ObjectStore["copy"]>[3], ifMatch = etag) =>
    store.copy(
      { key: canaries.key("c/source"), ifMatch },
      canaries.key(name),
      { metadata: { canary: "copied" } },
      condition,
      options,
    );
  found.copySourceIfMatch = await judgeCondition(
    () => copy("c/b", "any", otherEtag),
    async () => (await canaries.etag("c/b")) === undefined,
    async () =>
      (await copy("c/c", "any")).kind === "stored" && (await canaries.text("c/c")) === "source",
  );
  found.copyIfAbsent = await judgeCondition(
    () => copy("c/a", "absent"),
    async () => (await canaries.text("c/a")) === "one",
    async () =>
      (await copy("c/d", "absent")).kind === "stored" && (await canaries.text("c/d")) === "source",
  );
  await canaries.put("c/a", "one");
  found.copyIfMatch = await judgeCondition(
    () => copy("c/a", otherEtag),
    async () => (await canaries.text("c/a")) === "one",
    async () => {
      // Onto itself, as for a change of attributes.
      if ((await copy("c/source", etag)).kind !== "stored") return false;
      const now = await store.head(canaries.key("c/source"), options);
      if (now.kind === "notFound" || now.metadata["canary"] !== "copied") return false;
      return (await canaries.text("c/source")) === "source";
    },
  );
}

async function askDelete(canaries: Canaries, found: Findings): Promise<void> {
  const { store, options } = canaries;
  await canaries.put("d/a", "one");
  const etag = (await canaries.etag("d/a")) ?? otherEtag;
  found.deleteIfMatch = await judgeCondition(
    () => store.delete(canaries.key("d/a"), otherEtag, options),
    async () => (await canaries.text("d/a")) === "one",
    async () => {
      const { kind } = await store.delete(canaries.key("d/a"), etag, options);
      return kind === "deleted" && (await canaries.etag("d/a")) === undefined;
    },
  );
}

async function askListing(canaries: Canaries, found: Findings): Promise<void> {
  const { store, options } = canaries;
  await Promise.all(ordered.map((name) => canaries.put(name, "one")));
  const same = (a: readonly string[], b: readonly string[]): boolean =>
    a.length === b.length && a.every((name, index) => name === b[index]);
  // What a store does not list at once is another finding: here only the order and the pages count.
  const all = await canaries.list("l/", { maxKeys: 2 });
  found.listingOrder = same(all, ordered) ? "honoured" : "ignored";
  const after = await canaries.list("l/", { startAfter: ordered[3] ?? "" });
  found.listingStartAfter = same(after, ordered.slice(4)) ? "honoured" : "ignored";
  const stored: string[] = [];
  for (const name of odd) {
    try {
      // A directory's marker is empty: some stores take no other.
      await canaries.put(name, name.endsWith("/") ? "" : "one");
      if ((await store.head(canaries.key(name), options)).kind === "found") stored.push(name);
    } catch (error) {
      // A key that cannot be made cannot be hidden either.
      if (!isRefusal(error)) throw error;
    }
  }
  const listed = new Set([...(await canaries.list("l/")), ...(await canaries.list("o/"))]);
  found.listingEncoding = stored.every((name) => listed.has(name)) ? "honoured" : "ignored";
}

async function askChecksums(
  canaries: Canaries,
  store: ProbedStore,
  found: Findings,
): Promise<void> {
  if (store.putDamaged === undefined) {
    found.checksums = "refused";
    return;
  }
  const answer = await store.putDamaged(canaries.key("k/a"), canaries.options);
  const isStored = answer === "stored" || (await canaries.etag("k/a")) !== undefined;
  found.checksums = isStored ? "ignored" : "honoured";
}

async function askInitiator(canaries: Canaries): Promise<string | undefined> {
  const { store, options } = canaries;
  const key = canaries.key("i/a");
  const uploadId = await store.createMultipart(key, { metadata: {} }, options);
  try {
    const listed = await store.listUploads(key, options);
    return listed.find((upload) => upload.uploadId === uploadId)?.initiator;
  } catch (error) {
    if (isRefusal(error) || (error instanceof ObjectStoreError && error.code === "denied")) {
      return undefined;
    }
    throw error;
  } finally {
    await store.abortMultipart(key, uploadId, options);
  }
}
