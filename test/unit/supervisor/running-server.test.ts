import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../../src/base/log.ts";
import { ControlListener } from "../../../src/control/listener.ts";
import type { ServerMethods, ServerStatus } from "../../../src/control/messages.ts";
import { RunningServer } from "../../../src/supervisor/running-server.ts";
import { volumeDigest, volumePaths } from "../../../src/supervisor/volume-paths.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

describe("a running server", () => {
  let folder: string;
  let clock: FakeClock;
  let listener: ControlListener<ServerMethods>;
  let answer: () => Promise<ServerStatus> | ServerStatus;
  let asked: number;
  let graces: number[];
  const status = { volumeId: "v", pid: 4711, ready: true, specDigest: "d" };
  const none = () => assert.fail("not asked for");
  const pathsOf = () => ({
    ...volumePaths({ runDir: folder, stateDir: folder }, volumeDigest("v")),
    serverSocket: join(folder, "server.sock"),
  });
  const launcher = {
    startServer: none,
    endServer: async (_: unknown, graceMs: number) => {
      graces.push(graceMs);
      await listener.close();
      return "ended" as const;
    },
  };
  const adopt = () => RunningServer.adopt(pathsOf(), { launcher, clock, log: silentLog });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "s3files-server-"));
    clock = new FakeClock();
    [asked, graces, answer] = [0, [], () => status];
    listener = await ControlListener.open<ServerMethods>(
      { path: join(folder, "server.sock") },
      {
        log: silentLog,
        handlers: {
          ...{
            begin: none,
            ready: none,
            usage: none,
            flush: none,
            groups: none,
            leave: none,
            counters: none,
            end: none,
          },
          lost: none,
          status: () => {
            asked += 1;
            return answer();
          },
        },
      },
    );
  });
  afterEach(async () => {
    await listener.close();
    rmSync(folder, { recursive: true });
  });

  /** Moves the clock on until the server has been asked `times`. */
  const askedTimes = async (times: number) => {
    while (asked < times) await clock.advance(1_000);
  };

  it("is taken over with what it says of itself", async () => {
    const server = await adopt();
    assert.equal(server?.pid, 4711);
    assert.equal(server?.specDigest, "d");
    server?.client.close();
  });

  it("is not there when nobody answers at its socket", async () => {
    await listener.close();
    assert.equal(await adopt(), undefined);
  });

  it("ends when its control connection does", async () => {
    const server = await adopt();
    await listener.close();
    assert.deepEqual(await server?.ended, { code: undefined, signal: undefined });
  });

  it("is left alone while it answers, and killed when it has not answered for 45 seconds", async () => {
    const server = await adopt();
    await askedTimes(4);
    assert.deepEqual(graces, []);
    answer = () => new Promise(() => {});
    await askedTimes(asked + 1);
    await clock.advance(44_000);
    assert.deepEqual(graces, []);
    await clock.advance(2_000);
    await server?.ended;
    assert.deepEqual(graces, [0]);
  });

  it("that dies while it is asked for its status has nobody ended: its successor may hold the lock", async () => {
    const server = await adopt();
    answer = () => new Promise(() => {});
    await askedTimes(asked + 1);
    await listener.close();
    await server?.ended;
    await clock.advance(60_000);
    assert.deepEqual(graces, []);
  });
});
