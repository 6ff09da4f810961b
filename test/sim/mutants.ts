import type { VolumeState } from "../../src/cache/volume-state.ts";
import type { FaultyObjectStore } from "../fakes/faulty-object-store.ts";
import type { TestVolume } from "../unit/sync/test-volume.ts";

type Break = (volume: TestVolume) => void;

/** Replaces a method of one object; `original` is the one of its class, bound. */
function replace<T extends object, K extends keyof T>(
  object: T,
  method: K,
  make: (original: T[K]) => T[K],
): void {
  const original = Object.getPrototypeOf(object)[method] as T[K];
  const bound = (original as (...args: unknown[]) => unknown).bind(object) as T[K];
  Object.defineProperty(object, method, { value: make(bound), configurable: true });
}

const inStore =
  <K extends keyof FaultyObjectStore>(
    method: K,
    make: (original: FaultyObjectStore[K], volume: TestVolume) => FaultyObjectStore[K],
  ): Break =>
  (volume) =>
    replace(volume.faults, method, (original) => make(original, volume));

const inJournal =
  <K extends keyof VolumeState["journal"]>(
    method: K,
    make: (original: VolumeState["journal"][K]) => VolumeState["journal"][K],
  ): Break =>
  ({ state }) =>
    replace(state.journal, method, make);

const inExtents =
  <K extends keyof VolumeState["extents"]>(
    method: K,
    make: (original: VolumeState["extents"][K]) => VolumeState["extents"][K],
  ): Break =>
  ({ state }) =>
    replace(state.extents, method, make);

const inLinks =
  <K extends keyof VolumeState["links"]>(
    method: K,
    make: (original: VolumeState["links"][K]) => VolumeState["links"][K],
  ): Break =>
  ({ state }) =>
    replace(state.links, method, make);

/** Engines with one mistake each, by what they do wrong; the simulator has to find every one. */
export const mutants: Readonly<Record<string, Break>> = {
  "sends a PUT without its condition": inStore(
    "put",
    (put) => (key, body, headers, _, options) => put(key, body, headers, "any", options),
  ),
  "deletes without a condition": inStore(
    "delete",
    (remove) => (key, _, options) => remove(key, "any", options),
  ),
  "does not delete the old object of a rename": inStore("delete", () => async () => ({
    kind: "deleted",
  })),
  "takes its own object of a lost answer for somebody else's": inStore(
    "head",
    (head) => async (key, options) => {
      const found = await head(key, options);
      if (found.kind === "notFound") return found;
      const { "s3files-write": _, ...metadata } = found.metadata;
      return { ...found, metadata };
    },
  ),
  "takes a lost answer for a success without a look": inStore(
    "put",
    (put) => async (key, body, headers, condition, options) => {
      try {
        return await put(key, body, headers, condition, options);
      } catch (error) {
        if (error instanceof Error && error.message.includes("reset")) {
          return { kind: "stored", etag: '"made-up"' as never };
        }
        throw error;
      }
    },
  ),
  "takes a refusal for a success": inStore(
    "put",
    (put) => async (key, body, headers, condition, options) => {
      const answer = await put(key, body, headers, condition, options);
      return answer.kind === "stored" ? answer : { kind: "stored", etag: '"made-up"' as never };
    },
  ),
  "keeps no record of a request that it sends": inJournal("put", (put) => (attempt) => {
    if (attempt.state !== "sent") put(attempt);
  }),
  "forgets a request that it has given up": inJournal("put", (put) => (attempt) => {
    if (attempt.state !== "superseded") put(attempt);
  }),
  "keeps no tombstones": inJournal("bury", () => () => {}),
  "forgets tombstones when it looks for one": inJournal("tombstone", () => () => undefined),
  "takes what was written during an upload for exported": inExtents(
    "markExported",
    (mark) => (inode, _, baseSize) => mark(inode, Number.MAX_SAFE_INTEGER, baseSize),
  ),
  "uploads the file as it is, not as it was frozen": inExtents(
    "segments",
    (segments) => (inode, start, end) => segments(inode, start, end),
  ),
  "does not notice that a file has got or lost a name": inLinks("touch", () => () => {}),
  "lets go of dirty bytes when it drops clean ones": inExtents(
    "truncate",
    (truncate) => (inode, size) => truncate(inode, Math.max(0, size - 1)),
  ),
};
