import assert from "node:assert/strict";
import type { NfsClient } from "../support/nfs-client.ts";
import { makeDirectory, mkdir, nameOf, namesIn, putFh, rootOf } from "../support/nfs-files.ts";
import { op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

describe("A slot", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
  });
  afterEach(() => world.end());

  it("replays the stored bytes for a request that comes again", async () => {
    const first = await client.ok([putFh(root), mkdir("a")], { slot: 3 });
    const again = await client.resend(first.request);
    assert.deepEqual(again.bytes, first.bytes);
    assert.deepEqual(await namesIn(client, root), ["a"]);
  });

  it("replays a reply of a mutating compound though the client did not ask to cache it", async () => {
    const first = await client.ok([putFh(root), mkdir("a")], { slot: 3, cacheThis: false });
    const again = await client.resend(first.request);
    assert.deepEqual(again.bytes, first.bytes);
  });

  it("replays a failure, too", async () => {
    await makeDirectory(client, root, "a");
    const first = await client.call([putFh(root), mkdir("a")], { slot: 3 });
    assert.equal(first.status, "NFS4ERR_EXIST");
    await client.ok([putFh(root), op("REMOVE", { target: nameOf("a") })], { slot: 4 });
    const again = await client.resend(first.request);
    assert.deepEqual(again.bytes, first.bytes);
  });

  it("refuses a sequence id that is neither the last nor the next", async () => {
    for (const sequenceId of [0, 2, 7, 0xffff_ffff]) {
      const answer = await client.call([putFh(root)], { slot: 9, sequenceId });
      assert.equal(answer.status, "NFS4ERR_SEQ_MISORDERED", `${sequenceId}`);
      assert.equal(answer.results.length, 1);
    }
    await client.ok([putFh(root)], { slot: 9 });
  });

  it("tells another request under a used sequence id from a retry", async () => {
    const first = await client.ok([putFh(root), mkdir("a")], { slot: 3 });
    assert.equal(first.status, "NFS4_OK");
    const sequenceId = client.session.sequences[3] ?? 0;
    const other = await client.call([putFh(root), mkdir("b")], { slot: 3, sequenceId });
    assert.equal(other.status, "NFS4ERR_SEQ_FALSE_RETRY");
    assert.deepEqual(await namesIn(client, root), ["a"]);
  });

  it("tells a retry by another user from a retry", async () => {
    const first = await client.ok([putFh(root), mkdir("a")], { slot: 3 });
    const again = await client.resend(first.request, { credential: { uid: 7, gid: 7 } });
    assert.equal(again.status, "NFS4ERR_SEQ_FALSE_RETRY");
  });

  it("says of a large reply that was not kept that it is not cached", async () => {
    for (let at = 0; at < 200; at += 1)
      await makeDirectory(client, root, `name-${at}-${"x".repeat(60)}`);
    const readdir = op("READDIR", {
      cookie: 0n,
      cookieverf: Buffer.alloc(8),
      dircount: 65536,
      maxcount: 65536,
      attr_request: [],
    });
    const first = await client.ok([putFh(root), readdir], { slot: 5, cacheThis: false });
    assert.ok(first.bytes.length > 8192);
    const again = await client.resend(first.request);
    assert.equal(again.statusOf("SEQUENCE"), "NFS4_OK");
    assert.equal(again.statusOf("PUTFH"), "NFS4ERR_RETRY_UNCACHED_REP");
  });

  it("gives a retransmission that comes during the execution the one reply, on the new connection", async () => {
    const held = world.hold("createNode");
    const first = client.call([putFh(root), mkdir("a")], { slot: 3 });
    await held.reached;
    const second = world.reconnect(client.session);
    const request = client.call([putFh(root), mkdir("a")], { slot: 3, sequenceId: 1 });
    client.destroy();
    await assert.rejects(first);
    await assert.rejects(request);
    const answer = second.call([putFh(root), mkdir("a")], { slot: 3 });
    held.release();
    assert.equal((await answer).status, "NFS4_OK");
    assert.deepEqual(await namesIn(second, root), ["a"]);
  });

  it("refuses other requests while it is busy", async () => {
    const held = world.hold("createNode");
    const first = client.call([putFh(root), mkdir("a")], { slot: 3 });
    await held.reached;
    const falseRetry = await client.call([putFh(root), mkdir("b")], { slot: 3, sequenceId: 1 });
    assert.equal(falseRetry.status, "NFS4ERR_SEQ_FALSE_RETRY");
    const next = await client.call([putFh(root), mkdir("b")], { slot: 3, sequenceId: 2 });
    assert.equal(next.status, "NFS4ERR_SEQ_MISORDERED");
    held.release();
    assert.equal((await first).status, "NFS4_OK");
  });

  it("lets other slots go on while one waits", async () => {
    const held = world.hold("createNode");
    const first = client.call([putFh(root), mkdir("a")], { slot: 3 });
    await held.reached;
    assert.deepEqual(await namesIn(client, root), []);
    held.release();
    await first;
    assert.deepEqual(await namesIn(client, root), ["a"]);
  });

  it("counts on after 2^32 − 1 with 0", async () => {
    world.kill();
    const again = world.reconnect({ ...client.session, sequences: [], busy: new Set() });
    // Serial arithmetic: a restored slot takes ids up to 2^31 ahead, once.
    for (const sequenceId of [0x7fff_ffff]) {
      assert.equal((await again.call([putFh(root)], { slot: 8, sequenceId })).status, "NFS4_OK");
    }
    world.kill();
    const third = world.reconnect({ ...client.session, sequences: [], busy: new Set() });
    await third.call([putFh(root)], { slot: 8, sequenceId: 0xffff_fffe });
    await third.call([putFh(root)], { slot: 8, sequenceId: 0xffff_ffff });
    assert.equal((await third.call([putFh(root)], { slot: 8, sequenceId: 0 })).status, "NFS4_OK");
    assert.equal((await third.call([putFh(root)], { slot: 8, sequenceId: 1 })).status, "NFS4_OK");
  });
});
