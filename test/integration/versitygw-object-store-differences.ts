import assert from "node:assert/strict";
import {
  bodyOf,
  fails,
  keyOf,
  listAll,
  type ObjectStoreDifference,
  otherEtag,
  plain,
  put,
  text,
} from "../contract/object-store-case.ts";

/** Where versitygw v1.8.0 departs from the contract of `ObjectStore`, by case. */
export const versitygwObjectStoreDifferences: Readonly<Record<string, ObjectStoreDifference>> = {
  "stores keys that are no paths, and keys of 1,024 bytes": {
    reason: "its objects are files below a folder: keys are paths, their parts at most 255 bytes",
    async run(context) {
      const write = (name: string) =>
        context.store.put(keyOf(context, name), bodyOf("x"), plain, "any");
      await put(context, "a//b", "x");
      assert.equal(await text(context, "a//b"), "x");
      assert.deepEqual((await listAll(context)).names, ["a/b"]);
      await fails(write("a"), "invalid");
      await fails(write("k".repeat(300)), "invalid");
    },
  },
  "copies onto a key only under the condition given": {
    reason: "it ignores conditions on the destination of a copy",
    async run(context) {
      const source = { key: keyOf(context, "a"), ifMatch: await put(context, "a", "source") };
      await put(context, "b", "theirs");
      for (const condition of ["absent", otherEtag] as const) {
        const copied = await context.store.copy(source, keyOf(context, "b"), plain, condition);
        assert.equal(copied.kind, "stored");
      }
      assert.equal(await text(context, "b"), "source");
    },
  },
};
