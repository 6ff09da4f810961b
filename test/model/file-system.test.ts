import fc from "fast-check";
import { VolumeCase } from "../support/volume-case.ts";
import { FileSystemModel, type Step } from "./file-system-model.ts";

const path = fc
  .array(fc.constantFrom("a", "b", "d"), { minLength: 1, maxLength: 3 })
  .map((names) => names.join("/"));
const offset = fc.nat(100);
const size = fc.nat(120);
const which = fc.nat(5);
const at = (kind: "create" | "mkdir" | "remove" | "commit" | "open") =>
  fc.record({ kind: fc.constant(kind), path });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: at("create") },
  { weight: 4, arbitrary: at("mkdir") },
  { weight: 3, arbitrary: at("remove") },
  { weight: 3, arbitrary: at("commit") },
  { weight: 2, arbitrary: at("open") },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("rename"), path, to: path }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("link"), path, to: path }) },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant("write"), path, at: offset, size }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("truncate"), path, size }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("punch", "allocate"), path, at: offset, size }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("copy"),
      path,
      to: path,
      from: offset,
      at: offset,
      size,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("writeOpen"), which, at: offset }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close"), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remotePut"), path, size }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("export", "sync", "evict", "kill") }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("powerCut"), seed: fc.nat() }) },
);

describe("the file system on disk, against a reference", () => {
  for (const cacheMode of ["full", "metadata-only"] as const) {
    it(`does the same under random steps, kills and power cuts: ${cacheMode}`, async function () {
      this.timeout(60_000);
      const seed = Date.now() & 0x7fffffff;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
          const maxBlockingReadBytes = steps.length % 2 === 0 ? 0 : 1 << 20;
          const options = { cacheMode, cacheSizeBytes: 0, maxBlockingReadBytes };
          const model = new FileSystemModel(new VolumeCase(options));
          try {
            for (const one of steps) await model.run(one);
            await model.check();
            await model.run({ kind: "export" });
          } finally {
            await model.close();
          }
        }),
        { numRuns: 80, seed, interruptAfterTimeLimit: 9_000 },
      );
    });
  }
});
