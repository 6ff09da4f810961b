import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";

const operations = Number(process.env["S3FILES_DIFFERENCES"] ?? 5000);
const processes = Number(process.env["S3FILES_PROCESSES"] ?? 2);
const freshSeed = Number(process.env["S3FILES_SEED"] ?? 0);
const worker = join(import.meta.dirname, "../../support/difference-worker.ts");

describe("random operations of two users", () => {
  for (const fresh of [false, true]) {
    it(`end alike on both mounts (${fresh ? "a fresh" : "the fixed"} seed)`, async function () {
      this.timeout(0);
      const seed = fresh ? freshSeed : 1;
      const ends = Array.from({ length: processes }, async (_, number) => {
        const places = [process.env["OURS"] ?? "", process.env["THEIRS"] ?? ""].map((mount) =>
          join(mount, `${seed}-${number}`),
        );
        for (const place of places) {
          mkdirSync(place);
          chmodSync(place, 0o777);
        }
        const share = Math.ceil(operations / 2 / processes);
        const args = [worker, ...places, String(seed * 1000 + number), String(share)];
        const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
        let output = "";
        child.stdout.on("data", (bytes: Buffer) => {
          output += bytes.toString();
        });
        const [code] = await once(child, "close");
        return code === 0 ? "" : `seed ${seed}, process ${number}: ${output}`;
      });
      assert.equal((await Promise.all(ends)).join(""), "");
    });
  }
});
