import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkTree, checkWritten, recordOf, replay } from "../../support/load-check.ts";
import { lineBytes, linesOf } from "../../support/load-content.ts";
import { LoadFile, LoadModel } from "../../support/load-model.ts";
import type { LoadOptions } from "../../support/load-script.ts";
import { treeAt } from "../../support/load-verify.ts";

const fsLoad = join(import.meta.dirname, "../../support/fs-load.ts");

describe("the load and its check", () => {
  let folder: string;
  const options: LoadOptions = { name: "l", seed: 11, base: [], durable: "each" };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "load-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const here = () => treeAt(folder, readFileSync);

  /** Runs the load for `calls` calls and returns the path of a file with content. */
  function runLoad(calls: number, record = join(folder, "../", `record-${process.pid}`)): string {
    rmSync(record, { force: true });
    execFileSync(process.execPath, [fsLoad, folder, JSON.stringify(options), String(calls)], {
      env: { ...process.env, S3FILES_RECORD: record },
    });
    const text = readFileSync(record, "utf8");
    rmSync(record);
    assert.deepEqual(recordOf("l", text), { returned: calls, ended: true, errors: [] });
    const full = [...here().files].find(([, read]) => read().length > 4 * lineBytes);
    assert.ok(full !== undefined);
    return join(folder, full[0]);
  }

  it("finds what the load left on a local file system right", () => {
    runLoad(400);
    const script = replay(options, { returned: 400, ended: true });
    assert.deepEqual(checkTree(script, here()), []);
    for (const [path, read] of here().files) {
      assert.deepEqual(checkWritten(script, path, read()), []);
    }
  });

  it("finds a lost line, a foreign line, a cut end and a missing name", () => {
    const path = runLoad(400);
    const script = () => replay(options, { returned: 400, ended: true });
    const bytes = readFileSync(path);
    const changed = Buffer.from(bytes);
    changed.fill(0, lineBytes, 2 * lineBytes);
    writeFileSync(path, changed);
    assert.match(checkTree(script(), here()).join(), /at 64 is a hole, not version \d+$/);
    bytes.copy(changed, lineBytes, 0, lineBytes);
    writeFileSync(path, changed);
    assert.match(checkTree(script(), here()).join(), /at 64 is "l\./);
    assert.match(
      checkWritten(script(), "p", changed).join(),
      /p at 64 holds what was never written/,
    );
    writeFileSync(path, bytes.subarray(0, bytes.length - lineBytes));
    assert.match(checkTree(script(), here()).join(), /has \d+ bytes, not/);
    rmSync(path);
    assert.match(checkTree(script(), here()).join(), /Names are of no moment/);
  });

  it("lets the call under way have happened, in part or not at all", () => {
    // The call after those that returned has happened too.
    runLoad(401);
    assert.deepEqual(checkTree(replay(options, { returned: 400, ended: false }), here()), []);
  });

  it("keeps what was synchronised and lets later lines be old or new", () => {
    const file = new LoadFile("l.1");
    file.write(2, 0, 4);
    file.settle();
    file.write(3, 2, 4);
    assert.deepEqual(
      [0, 1].map((line) => file.allows(line, 2)),
      [true, true],
    );
    assert.equal(file.allows(1, 3), false);
    assert.deepEqual(
      [2, 3].map((version) => file.allows(3, version)),
      [true, true],
    );
    assert.deepEqual([file.smallest, file.largest], [4, 6]);
    file.truncate(1);
    assert.equal(file.allows(3, -1), true);
    assert.equal(file.smallest, 1);
    file.settle();
    assert.deepEqual([file.smallest, file.largest], [1, 1]);
  });

  it("promises nothing of a synchronisation that did not return", () => {
    const ops = [
      { kind: "create", slot: 0, path: "a" },
      { kind: "write", slot: 0, first: 0, count: 2, append: false },
      { kind: "fsync", slot: 0 },
    ] as const;
    const moments = (isLastReturned: boolean) => {
      const model = new LoadModel("l", [], "synchronised");
      for (const [at, op] of ops.entries()) model.apply(op, at < 2 || isLastReturned);
      return model.history.map(({ after }) => after);
    };
    assert.deepEqual(moments(false), [0, 1]);
    assert.deepEqual(moments(true), [1]);
  });

  it("takes only a whole line of a record for an acknowledgement", () => {
    const record = recordOf("l", "l 1\r\nl2 9\nl 2\nl error x\nl 3");
    assert.deepEqual(record, { returned: 2, ended: false, errors: ["error x"] });
    assert.deepEqual(linesOf("l.1", 2, 1, 1).toString("latin1").length, lineBytes);
  });
});
