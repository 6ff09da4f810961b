import assert from "node:assert/strict";
import { ask, decodeAttributes, encodeAttributes } from "../support/nfs-attributes.ts";
import type { CompoundAnswer, NfsClient } from "../support/nfs-client.ts";
import {
  attributesOf,
  closeFile,
  makeDirectory,
  mkdir,
  nameOf,
  namesIn,
  openFile,
  putFh,
  putFile,
  readFile,
  rootOf,
  writeFile,
} from "../support/nfs-files.ts";
import { type Operation, op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

describe("A server that was killed and started again over its store", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
  });
  afterEach(() => world.end());

  /** Sends operations whose reply never comes, kills the server at `moment`, and sends them again. */
  async function killedAt(
    list: readonly Operation[],
    moment: Promise<void>,
  ): Promise<CompoundAnswer> {
    const { session } = client;
    const lost = client.call(list, { slot: 3 });
    await moment;
    world.kill();
    await assert.rejects(lost);
    client = world.reconnect(session);
    return client.call(list, { slot: 3 });
  }

  it("goes on with sessions and opens of the format before", async () => {
    const attributes = { mode: 0o600 };
    await openFile(client, root, "f", { create: "GUARDED4", access: "READ", attributes });
    const file = await openFile(client, root, "f");
    await writeFile(client, file, 0, Buffer.from("text"));
    const { store } = world;
    store.transaction(() => {
      // Of an open: its opener, "sys:0", as an optional string.
      for (const [kind, version, lastBytes] of [
        ["nfs4.session", 1, 4],
        ["nfs4.open", 2, 16],
      ] as const) {
        for (const { key, value } of [...store.scan(kind)]) {
          const before = Buffer.from(value.subarray(0, value.length - lastBytes));
          before.writeUInt32BE(version);
          store.put(kind, key, before);
        }
      }
    });
    world.kill();
    client = world.reconnect(client.session);
    assert.equal((await readFile(client, file, 0, 10)).data.toString(), "text");
    const read = op("READ", { stateid: file.stateid, offset: 0, count: 10 });
    await client.ok([putFh(file.fh), read], { credential: { uid: 1000, gid: 1000 } });
    const less = { open_stateid: file.stateid, seqid: 0, share_access: 1, share_deny: 0 };
    await client.ok([putFh(file.fh), op("OPEN_DOWNGRADE", less)]);
  });

  it("runs a request that it was killed in before the commit", async () => {
    const held = world.hold("createNode");
    const answer = await killedAt([putFh(root), mkdir("a")], held.reached);
    assert.equal(answer.status, "NFS4_OK");
    assert.deepEqual(await namesIn(client, root), ["a"]);
  });

  it("replays a request that it was killed in between commit and reply", async () => {
    await makeDirectory(client, root, "a");
    const before = world.store.commits;
    world.store.syncDelay = new Promise(() => {});
    const rename = op("RENAME", { oldname: nameOf("a"), newname: nameOf("b") });
    const committed = (async () => {
      while (world.store.commits === before) await new Promise(setImmediate);
    })();
    const answer = await killedAt([putFh(root), op("SAVEFH"), putFh(root), rename], committed);
    // A second execution would answer NOENT.
    assert.equal(answer.status, "NFS4_OK");
    assert.deepEqual(await namesIn(client, root), ["b"]);
  });

  it("goes on after the operations that were done before one that waited", async () => {
    const held = world.hold("getAttributes");
    const answer = await killedAt(
      [putFh(root), mkdir("a"), op("GETFH"), op("GETATTR", { attr_request: ask("type") })],
      held.reached,
    );
    // A second CREATE would answer EXIST.
    assert.equal(answer.status, "NFS4_OK");
    assert.equal(answer.results.length, 5);
    const { type } = decodeAttributes(answer.ok("GETATTR").resok4.obj_attributes);
    assert.equal(type, "NF4DIR");
    const again = await client.resend(answer.request);
    assert.deepEqual(again.bytes, answer.bytes);
  });

  it("keeps saved filehandle and current stateid of a compound that waited", async () => {
    const attributes = encodeAttributes({ mode: 0o644 });
    const held = world.hold("write");
    const answer = await killedAt(
      [
        putFh(root),
        op("SAVEFH"),
        op("OPEN", {
          seqid: 0,
          share_access: 3,
          share_deny: 0,
          owner: { clientid: 0n, owner: Buffer.from("o") },
          openhow: {
            opentype: "OPEN4_CREATE",
            how: { mode: "GUARDED4", createattrs: attributes },
          },
          claim: { claim: "CLAIM_NULL", file: nameOf("f") },
        }),
        op("WRITE", {
          stateid: { seqid: 1, other: Buffer.alloc(12) },
          offset: 0,
          stable: "UNSTABLE4",
          data: [Buffer.from("abc")],
        }),
        op("RESTOREFH"),
        op("LOOKUP", { objname: nameOf("f") }),
      ],
      held.reached,
    );
    assert.equal(answer.status, "NFS4_OK");
  });

  it("takes another request under the id of a half done one for a false retry, and then goes on", async () => {
    const held = world.hold("getAttributes");
    const list = [putFh(root), mkdir("a"), op("GETATTR", { attr_request: ask("type") })];
    const { session } = client;
    const lost = client.call(list, { slot: 3 });
    await held.reached;
    world.kill();
    await assert.rejects(lost);
    client = world.reconnect(session);
    const other = await client.call([putFh(root), mkdir("b")], { slot: 3 });
    assert.equal(other.status, "NFS4ERR_SEQ_FALSE_RETRY");
    const next = await client.call([putFh(root), mkdir("b")], { slot: 3, sequenceId: 2 });
    assert.equal(next.status, "NFS4_OK");
    assert.deepEqual(await namesIn(client, root), ["a", "b"]);
  });

  it("accepts a higher sequence id once, for a slot whose last requests changed nothing", async () => {
    for (let at = 0; at < 5; at += 1) await client.ok([putFh(root)], { slot: 6, cacheThis: false });
    const { session } = client;
    world.kill();
    client = world.reconnect(session);
    assert.equal((await client.call([putFh(root)], { slot: 6 })).status, "NFS4_OK");
    const gap = await client.call([putFh(root)], { slot: 6, sequenceId: 9 });
    assert.equal(gap.status, "NFS4ERR_SEQ_MISORDERED");
  });

  it("never lets a stored sequence id be used for something else", async () => {
    const first = await client.ok([putFh(root), mkdir("a")], { slot: 6 });
    const { session } = client;
    world.kill();
    client = world.reconnect(session);
    const again = await client.resend(first.request);
    assert.deepEqual(again.bytes, first.bytes);
    const older = await client.call([putFh(root)], { slot: 6, sequenceId: 0 });
    assert.equal(older.status, "NFS4ERR_SEQ_MISORDERED");
  });

  it("answers a replay only when what it promised is on the disk", async () => {
    const { session } = client;
    const first = await client.ok([putFh(root), mkdir("a")], { slot: 6 });
    world.kill();
    const gate = Promise.withResolvers<void>();
    world.store.syncDelay = gate.promise;
    client = world.reconnect(session);
    let answered = false;
    const replay = client.resend(first.request).finally(() => {
      answered = true;
    });
    // Requests that are no replays go on meanwhile.
    await client.ok([putFh(root), op("LOOKUP", { objname: nameOf("a") })]);
    assert.equal(answered, false);
    gate.resolve();
    assert.deepEqual((await replay).bytes, first.bytes);
  });

  it("knows opens and locks, and keeps the data of an open file without a name", async () => {
    await putFile(client, root, "f", "content");
    const file = await openFile(client, root, "f");
    const lock = op("LOCK", {
      locktype: "WRITE_LT",
      reclaim: false,
      offset: 0n,
      length: 10n,
      locker: {
        new_lock_owner: true,
        open_owner: {
          open_seqid: 0,
          open_stateid: file.stateid,
          lock_seqid: 0,
          lock_owner: { clientid: 0n, owner: Buffer.from("l") },
        },
      },
    });
    await client.ok([putFh(file.fh), lock]);
    await client.ok([putFh(root), op("REMOVE", { target: nameOf("f") })]);
    const { session } = client;
    world.kill();
    client = world.reconnect(session);
    assert.equal((await readFile(client, file, 0, 100)).data.toString(), "content");
    await writeFile(client, file, 0, Buffer.from("C"));
    assert.equal((await attributesOf(client, file.fh, "numlinks")).numlinks, 0);
    const lockt = op("LOCKT", {
      locktype: "READ_LT",
      offset: 5n,
      length: 1n,
      owner: { clientid: 0n, owner: Buffer.from("other") },
    });
    assert.equal((await client.call([putFh(file.fh), lockt])).status, "NFS4ERR_DENIED");
    await closeFile(client, file);
    const gone = await client.call([putFh(file.fh), op("GETATTR", { attr_request: [] })]);
    assert.equal(gone.status, "NFS4ERR_STALE");
  });

  it("hands over to the next server without an error, waits for S3 included", async () => {
    const slow = new NfsWorld({ waitReason: "remote" });
    const reader = await slow.mount();
    const { session } = reader;
    const top = await rootOf(reader);
    const held = slow.hold("lookup");
    const list = [putFh(top), mkdir("a"), putFh(top), op("LOOKUP", { objname: nameOf("a") })];
    const lost = reader.call(list, { slot: 3 });
    await held.reached;
    await Promise.all([assert.rejects(lost), slow.replace()]);
    const next = slow.reconnect(session);
    assert.equal((await next.call(list, { slot: 3 })).status, "NFS4_OK");
    await slow.end();
  });
});

describe("A server in another boot of the machine", () => {
  it("has forgotten sessions, opens and locks, and drops files that only they kept", async () => {
    const world = new NfsWorld();
    const client = await world.mount();
    const root = await rootOf(client);
    await putFile(client, root, "f", "content");
    const file = await openFile(client, root, "f");
    await client.ok([putFh(root), op("REMOVE", { target: nameOf("f") })]);
    await world.store.sync();
    const { session } = client;
    const { clientId } = session;
    world.reboot();
    const again = world.reconnect(session);
    assert.equal((await again.call([putFh(root)])).status, "NFS4ERR_BADSESSION");
    await assert.rejects(again.createSession(clientId, 1), /STALE_CLIENTID/);
    await again.establish("test client after the reboot");
    assert.notEqual(again.session.clientId, clientId);
    const gone = await again.call([putFh(file.fh), op("GETATTR", { attr_request: [] })]);
    assert.equal(gone.status, "NFS4ERR_STALE");
    assert.deepEqual(world.server.figures, { connections: 1, clients: 1, opens: 0, locks: 0 });
    await world.end();
  });
});
