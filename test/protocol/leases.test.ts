import assert from "node:assert/strict";
import type { NfsClient } from "../support/nfs-client.ts";
import {
  closeFile,
  makeDirectory,
  openFile,
  openOperation,
  putFh,
  putFile,
  rootOf,
  specialStateId,
} from "../support/nfs-files.ts";
import { op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

const leaseMs = 20_000;

describe("The lease of a client", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let other: NfsClient;
  let root: Uint8Array;
  beforeEach(async () => {
    world = new NfsWorld({ waitReason: "disk" });
    client = await world.mount();
    other = await world.mount();
    root = await rootOf(client);
    await putFile(client, root, "f", "content");
  });
  afterEach(() => world.end());

  /** What another client's OPEN for writing says. */
  const intrude = async () =>
    (await other.call([putFh(root), openOperation(other, "f", { access: "WRITE" })])).status;

  it("does not run out while one of its compounds is executed, nor for a lease after it", async () => {
    await openFile(client, root, "f", { access: "READ", deny: "WRITE" });
    const held = world.hold("createNode");
    const slow = client.ok([
      putFh(root),
      op("CREATE", {
        objtype: { type: "NF4DIR" },
        objname: Buffer.from("d"),
        createattrs: { attrmask: [], attr_vals: Buffer.alloc(0) },
      }),
    ]);
    await held.reached;
    await world.clock.advance(2 * leaseMs);
    assert.equal(await intrude(), "NFS4ERR_SHARE_DENIED");
    held.release();
    await slow;
    await world.clock.advance(leaseMs - 1);
    assert.equal(await intrude(), "NFS4ERR_SHARE_DENIED");
    await world.clock.advance(2);
    assert.equal(await intrude(), "NFS4_OK");
  });

  it("is renewed by a SEQUENCE that is answered from the reply cache", async () => {
    await openFile(client, root, "f", { access: "READ", deny: "WRITE" });
    const sent = await client.ok([putFh(root)], { slot: 2 });
    await world.clock.advance(leaseMs - 1);
    assert.equal((await client.resend(sent.request)).status, "NFS4_OK");
    await world.clock.advance(leaseMs - 1);
    assert.equal(await intrude(), "NFS4ERR_SHARE_DENIED");
  });

  it("is not renewed by a SEQUENCE that fails", async () => {
    await openFile(client, root, "f", { access: "READ", deny: "WRITE" });
    await world.clock.advance(leaseMs - 1);
    const wrong = await client.call([], { slot: 2, sequenceId: 9 });
    assert.equal(wrong.status, "NFS4ERR_SEQ_MISORDERED");
    await world.clock.advance(2);
    assert.equal(await intrude(), "NFS4_OK");
  });

  it("that has run out ends all of the client's state when another needs it, which its next SEQUENCE tells", async () => {
    const file = await openFile(client, root, "f", { access: "READ", deny: "WRITE" });
    await world.clock.advance(leaseMs + 1);
    assert.equal(await intrude(), "NFS4_OK");
    const late = await client.call([putFh(file.fh)]);
    assert.equal(late.statusOf("SEQUENCE"), "NFS4ERR_BADSESSION");
    const again = [op("DESTROY_CLIENTID", { dca_clientid: client.session.clientId })];
    assert.equal((await client.compound(again)).status, "NFS4ERR_STALE_CLIENTID");
  });

  it("that has run out ends its denials of reading and writing under a special stateid", async () => {
    const { fh } = await openFile(client, root, "f", { access: "READ", deny: "BOTH" });
    const stateid = specialStateId.anonymous;
    const read = [putFh(fh), op("READ", { stateid, offset: 0, count: 1 })];
    const data = [Buffer.from("x")];
    const write = [putFh(fh), op("WRITE", { stateid, offset: 0, stable: "UNSTABLE4", data })];
    assert.equal((await other.call(read)).status, "NFS4ERR_LOCKED");
    assert.equal((await other.call(write)).status, "NFS4ERR_LOCKED");
    await world.clock.advance(leaseMs + 1);
    assert.equal((await other.call(write)).status, "NFS4_OK");
    assert.equal((await other.call(read)).status, "NFS4_OK");
    assert.equal(world.server.figures.opens, 0);
  });

  it("that has run out takes nothing from a client that nobody is in the way of", async () => {
    const file = await openFile(client, root, "f", { access: "READ", deny: "WRITE" });
    await world.clock.advance(10 * leaseMs);
    await makeDirectory(other, root, "elsewhere");
    await closeFile(client, file);
  });
});
