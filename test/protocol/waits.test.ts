import assert from "node:assert/strict";
import type { NfsClient } from "../support/nfs-client.ts";
import { nameOf, putFh, putFile, rootOf } from "../support/nfs-files.ts";
import { op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

describe("An operation that waits for S3", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  beforeEach(async () => {
    world = new NfsWorld({ waitReason: "remote" });
    client = await world.mount();
    root = await rootOf(client);
    await putFile(client, root, "f", "content");
  });
  afterEach(() => world.end());

  const look = () => client.call([putFh(root), op("LOOKUP", { objname: nameOf("f") })]);

  it("holds its reply for 25 s and then answers DELAY", async () => {
    const held = world.hold("lookup");
    const answer = look();
    await held.reached;
    await world.clock.advance(24_000);
    assert.equal((await look()).status, "NFS4_OK");
    await world.clock.advance(1_000);
    const late = await answer;
    assert.equal(late.statusOf("SEQUENCE"), "NFS4_OK");
    assert.equal(late.statusOf("LOOKUP"), "NFS4ERR_DELAY");
  });

  it("is given up by a server that stops, also when the wait begins after that", async () => {
    let reason: "disk" | "remote" = "disk";
    const stopping = new NfsWorld({ waitReason: () => reason });
    const other = await stopping.mount();
    const lookup = op("LOOKUP", { objname: nameOf("f") });
    const otherRoot = await rootOf(other);
    await putFile(other, otherRoot, "f", "content");
    const first = stopping.hold("lookup");
    stopping.hold("getAttributes");
    const getattr = op("GETATTR", { attr_request: [2] });
    const unanswered = assert.rejects(other.call([putFh(otherRoot), lookup, getattr]));
    await first.reached;
    const stopped = stopping.server.stop();
    reason = "remote";
    first.release();
    await stopped;
    await unanswered;
  });

  it("is given up with the disk's when a server takes longer than 5 s to stop", async () => {
    const stopping = new NfsWorld();
    const other = await stopping.mount();
    const otherRoot = await rootOf(other);
    const held = stopping.hold("lookup");
    const lookup = op("LOOKUP", { objname: nameOf("f") });
    const unanswered = assert.rejects(other.call([putFh(otherRoot), lookup]));
    await held.reached;
    const stopped = stopping.server.stop();
    await stopping.clock.advance(5000);
    held.release();
    await stopped;
    await unanswered;
  });

  it("answers as soon as S3 does", async () => {
    const held = world.hold("lookup");
    const answer = look();
    await held.reached;
    held.release();
    assert.equal((await answer).status, "NFS4_OK");
    assert.equal(world.clock.pendingTimers > 0, true);
  });

  it("answers DELAY at once when half the slots wait already", async () => {
    const waiting = [];
    for (let count = 0; count < 32; count += 1) {
      const held = world.hold("lookup");
      waiting.push({ held, answer: look() });
      await held.reached;
    }
    const held = world.hold("lookup");
    const refused = look();
    await held.reached;
    assert.equal((await refused).statusOf("LOOKUP"), "NFS4ERR_DELAY");
    for (const each of waiting) each.held.release();
    for (const each of waiting) assert.equal((await each.answer).status, "NFS4_OK");
    assert.equal((await look()).status, "NFS4_OK");
  });
});
