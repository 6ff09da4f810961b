import assert from "node:assert/strict";
import { SyncBench } from "../support/sync-bench.ts";

const mebi = 2 ** 20;
const gibi = 2 ** 30;

describe("the requests for an object of 10 GiB", function () {
  // The store reads each byte that it copies, for the part's MD5.
  this.timeout(1_800_000);

  it("are at most 6 with at most 8 MiB for an edit of 4 KiB, wherever it is, and for an append of 1 MiB", async () => {
    await using bench = await SyncBench.open();
    await bench.putLarge("big", 160);
    for (const [offset, length] of [
      [0, 4096],
      [5 * gibi - 2048, 4096],
      [7 * gibi + 1, 4096],
      [10 * gibi - 4096, 4096],
      [10 * gibi, mebi],
    ] as const) {
      await bench.volume.patch("big", offset, Buffer.alloc(length, 1));
      await bench.volume.flush();
      const { bytesIn, total } = bench.server.counters;
      const spent = bench.spent();
      assert.ok(total <= 6, `${offset}: ${JSON.stringify(spent)}`);
      assert.ok(bytesIn <= 8 * mebi, `${offset}: ${bytesIn} bytes`);
      process.stdout.write(`at ${offset}: ${bytesIn} bytes, ${JSON.stringify(spent)}\n`);
    }
  });
});
