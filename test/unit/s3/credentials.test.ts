import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Credentials,
  CredentialsError,
  cachedCredentials,
  fileCredentials,
  parseCredentials,
} from "../../../src/s3/credentials.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const text = (id: string, more = {}) =>
  JSON.stringify({ accessKeyId: id, secretAccessKey: "secret", ...more });

describe("parseCredentials", () => {
  it("reads the three fields and nothing else", () => {
    const parsed = parseCredentials(text("a", { sessionToken: "t", other: 1 }), "f");
    assert.deepEqual(parsed, { accessKeyId: "a", secretAccessKey: "secret", sessionToken: "t" });
  });

  it("names what is missing, and never quotes the text", () => {
    const broken = [
      '{"secretAccessKey":"hunter2"',
      '"hunter2"',
      '{"accessKeyId":"a","secret":"hunter2"}',
      '{"accessKeyId":"","secretAccessKey":"hunter2"}',
      "null",
    ];
    for (const bad of broken) {
      assert.throws(
        () => parseCredentials(bad, "Credentials file f"),
        (error) => {
          assert.ok(error instanceof CredentialsError);
          assert.match(error.message, /^Credentials file f /);
          assert.ok(!`${error.message}${String(error.cause)}`.includes("hunter2"));
          return true;
        },
      );
    }
  });
});

describe("fileCredentials", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "s3files-credentials-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function replace(path: string, content: string): Promise<void> {
    await writeFile(`${path}.new`, content);
    await rename(`${path}.new`, path);
  }

  it("gives the new credentials after the file was replaced", async () => {
    const clock = new FakeClock();
    const path = join(directory, "c.json");
    await replace(path, text("old"));
    const provide = fileCredentials(path, clock);
    assert.equal((await provide()).accessKeyId, "old");
    await replace(path, text("new", { sessionToken: "t" }));
    await clock.advance(1000);
    assert.deepEqual(await provide(), parseCredentials(text("new", { sessionToken: "t" }), "f"));
  });

  it("keeps the former ones while the file is missing or broken", async () => {
    const clock = new FakeClock();
    const path = join(directory, "c.json");
    await replace(path, text("old"));
    const provide = fileCredentials(path, clock);
    await provide();
    await rm(path);
    await clock.advance(1000);
    assert.equal((await provide()).accessKeyId, "old");
    await replace(path, "{");
    await clock.advance(1000);
    assert.equal((await provide()).accessKeyId, "old");
    await replace(path, text("new"));
    await clock.advance(1000);
    assert.equal((await provide()).accessKeyId, "new");
  });

  it("rejects, naming the file, as long as there have never been any", async () => {
    const path = join(directory, "missing.json");
    const provide = fileCredentials(path, new FakeClock());
    await assert.rejects(provide(), (error) => {
      assert.ok(error instanceof CredentialsError);
      assert.ok(error.message.includes(path));
      return true;
    });
    await replace(path, text("late"));
    assert.equal((await provide()).accessKeyId, "late");
  });
});

describe("cachedCredentials", () => {
  function loader(clock: FakeClock, lifeMs: number) {
    const state = { loads: 0, fails: false };
    const load = async (): Promise<Credentials> => {
      await Promise.resolve();
      state.loads++;
      if (state.fails) throw new CredentialsError("No answer");
      const expiresMs = Number(clock.nowNs() / 1_000_000n) + lifeMs;
      return { accessKeyId: `load ${state.loads}`, secretAccessKey: "s", expiresMs };
    };
    return { state, provide: cachedCredentials(load, clock) };
  }

  it("loads once for many callers, and again in the background before they expire", async () => {
    const clock = new FakeClock();
    const { state, provide } = loader(clock, 3_600_000);
    const ids = await Promise.all([provide(), provide(), provide()]);
    assert.deepEqual(new Set(ids.map(({ accessKeyId }) => accessKeyId)), new Set(["load 1"]));
    await clock.advance(3_600_000 - 6 * 60_000);
    await provide();
    assert.equal(state.loads, 1);
    await clock.advance(2 * 60_000);
    assert.equal((await provide()).accessKeyId, "load 1");
    await clock.advance(0);
    assert.equal((await provide()).accessKeyId, "load 2");
  });

  it("goes on with the old ones while renewal fails, and rejects once they are spent", async () => {
    const clock = new FakeClock();
    const { state, provide } = loader(clock, 3_600_000);
    await provide();
    state.fails = true;
    await clock.advance(3_600_000 - 60_000);
    assert.equal((await provide()).accessKeyId, "load 1");
    await clock.advance(60_000);
    await assert.rejects(provide(), CredentialsError);
    state.fails = false;
    assert.match((await provide()).accessKeyId, /^load \d+$/);
  });
});
