import assert from "node:assert/strict";
import type { ObjectStore } from "../../src/s3/object-store.ts";
import type { ObjectStoreCase, ObjectStoreDifference } from "./object-store-case.ts";
import { listingCases } from "./object-store-listings.ts";
import { multipartCases } from "./object-store-multipart.ts";
import { objectCases } from "./object-store-objects.ts";

const topics: Readonly<Record<string, readonly ObjectStoreCase[]>> = {
  objects: objectCases,
  listings: listingCases,
  "multipart uploads": multipartCases,
};

/**
 * The contract of `ObjectStore`, for every implementation. `start` gives one with an empty bucket. A store
 * that departs from it names the case, by its title, in `differences`; what it does instead is then asserted
 * under the same title.
 */
export function objectStoreSuite(
  name: string,
  start: () => Promise<{ readonly store: ObjectStore } & AsyncDisposable>,
  differences: Readonly<Record<string, ObjectStoreDifference>> = {},
): void {
  describe(`ObjectStore: ${name}`, () => {
    let running: ({ readonly store: ObjectStore } & AsyncDisposable) | undefined;
    let cases = 0;
    before(async () => {
      running = await start();
    });
    after(async () => {
      await running?.[Symbol.asyncDispose]();
    });
    const run = (one: Pick<ObjectStoreCase, "run">) => async (): Promise<void> => {
      assert.ok(running);
      await one.run({ store: running.store, prefix: `case-${++cases}/` });
    };
    for (const [topic, listed] of Object.entries(topics)) {
      describe(topic, () => {
        for (const one of listed) {
          const difference = differences[one.title];
          if (difference === undefined) it(one.title, run(one));
          else it(`does not: ${one.title} (${difference.reason})`, run(difference));
        }
      });
    }
    it("differs in known cases only", () => {
      const titles = Object.values(topics).flatMap((listed) => listed.map(({ title }) => title));
      assert.equal(new Set(titles).size, titles.length, "Two cases have one title");
      assert.deepEqual(
        Object.keys(differences).filter((title) => !titles.includes(title)),
        [],
      );
    });
  });
}
