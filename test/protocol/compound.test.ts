import assert from "node:assert/strict";
import { operationOf, operations } from "../../src/nfs4/operations.ts";
import { nfs_opnum4 } from "../../src/nfs4/wire/operation.ts";
import { FsError } from "../../src/vfs/error.ts";
import { ask } from "../support/nfs-attributes.ts";
import type { NfsClient } from "../support/nfs-client.ts";
import {
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
import { op, statusOf } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

describe("A compound", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
  });
  afterEach(() => world.end());

  it("echoes its tag and refuses one that is no UTF-8", async () => {
    assert.equal((await client.ok([putFh(root)], { tag: "tâg" })).tag, "tâg");
    const { request } = await client.compound([op("PUTROOTFH")], { tag: "ab" });
    request.fill(0xff, 4, 6);
    const answer = await client.resend(request);
    assert.equal(answer.status, "NFS4ERR_INVAL");
    assert.equal(answer.results.length, 0);
  });

  it("without operations succeeds", async () => {
    assert.equal((await client.compound([])).status, "NFS4_OK");
  });

  it("of another minor version than 1 and 2 is refused", async () => {
    for (const minorVersion of [0, 3, 99]) {
      const answer = await client.compound([op("PUTROOTFH")], { minorVersion });
      assert.equal(answer.status, "NFS4ERR_MINOR_VERS_MISMATCH");
      assert.equal(answer.results.length, 0);
    }
  });

  it("stops at the first failure and keeps what was done before", async () => {
    const list = [putFh(root), mkdir("a"), putFh(root), mkdir("a"), putFh(root), mkdir("b")];
    const answer = await client.call(list);
    assert.equal(answer.status, "NFS4ERR_EXIST");
    assert.deepEqual(
      answer.results.map(({ value }) => statusOf(value)),
      ["NFS4_OK", "NFS4_OK", "NFS4_OK", "NFS4_OK", "NFS4ERR_EXIST"],
    );
    assert.deepEqual(await namesIn(client, root), ["a"]);
  });

  it("answers OP_ILLEGAL to numbers that the minor version does not have", async () => {
    const illegal = { ...op("PUTROOTFH"), op: "OP_ILLEGAL" } as const;
    assert.equal((await client.call([illegal])).statusOf("ILLEGAL"), "NFS4ERR_OP_ILLEGAL");
    const old = await world.mount({ minorVersion: 1 });
    for (const name of ["OP_CLONE", "OP_WRITE_SAME", "OP_COPY_NOTIFY", "OP_LAYOUTSTATS"] as const) {
      const newer = { ...op("PUTROOTFH"), op: name };
      assert.equal((await old.call([newer])).statusOf("ILLEGAL"), "NFS4ERR_OP_ILLEGAL");
      assert.equal((await client.call([newer])).status, "NFS4ERR_NOTSUPP");
    }
    const alone = await client.compound([illegal]);
    assert.equal(alone.statusOf("ILLEGAL"), "NFS4ERR_OP_ILLEGAL");
  });

  it("answers NOTSUPP to what NFSv4.1 took away, wherever it stands and however often it comes", async () => {
    // A tag that makes the reply too long to be kept.
    const tag = "t".repeat(10_000);
    for (const name of ["OP_SETCLIENTID", "OP_RENEW", "OP_OPEN_CONFIRM"] as const) {
      const gone = { ...op("PUTROOTFH"), op: name };
      assert.equal((await client.compound([gone])).status, "NFS4ERR_NOTSUPP");
      const first = await client.call([gone], { slot: 1, tag, cacheThis: false });
      assert.equal(first.status, "NFS4ERR_NOTSUPP");
      assert.equal((await client.resend(first.request)).status, "NFS4ERR_NOTSUPP");
    }
  });

  it("answers BADXDR to arguments that cannot be read, after what comes before them", async () => {
    const { request } = await client.call([putFh(root), mkdir("a")], { slot: 1 });
    const sequence = client.session.sequences[1] ?? 0;
    // The same request on the next sequence id, cut off in the middle of CREATE.
    request.writeUInt32BE(sequence + 1, 4 + 4 + 4 + 4 + 16);
    const answer = await client.resend(request.subarray(0, request.length - 12));
    assert.equal(answer.statusOf("PUTFH"), "NFS4_OK");
    assert.equal(answer.statusOf("CREATE"), "NFS4ERR_BADXDR");
  });

  it("survives every truncation and every flipped byte of a request", async () => {
    await putFile(client, root, "f", "content");
    const { request } = await client.compound([
      op("SEQUENCE", {
        sa_sessionid: client.session.sessionId,
        sa_sequenceid: 1,
        sa_slotid: 60,
        sa_highest_slotid: 60,
        sa_cachethis: false,
      }),
      putFh(root),
      op("LOOKUP", { objname: nameOf("f") }),
      op("GETATTR", { attr_request: ask("size", "mode") }),
      op("READ", { stateid: { seqid: 0, other: Buffer.alloc(12) }, offset: 0, count: 7 }),
    ]);
    for (let at = 0; at < request.length; at += 3) {
      await client.rpc(1, request.subarray(0, at));
      const flipped = Buffer.from(request);
      flipped[at] = (flipped[at] ?? 0) ^ 0xff;
      await client.rpc(1, flipped);
    }
    assert.deepEqual(await namesIn(client, root), ["f"]);
  });

  it("needs SEQUENCE first, except for the operations that stand alone", async () => {
    const bare = await client.compound([op("PUTROOTFH")]);
    assert.equal(bare.status, "NFS4ERR_OP_NOT_IN_SESSION");
    const two = await client.compound([
      op("DESTROY_CLIENTID", { dca_clientid: 1n }),
      op("PUTROOTFH"),
    ]);
    assert.equal(two.status, "NFS4ERR_NOT_ONLY_OP");
    const sequence = op("SEQUENCE", {
      sa_sessionid: client.session.sessionId,
      sa_sequenceid: 1,
      sa_slotid: 0,
      sa_highest_slotid: 0,
      sa_cachethis: false,
    });
    assert.equal((await client.call([sequence], { slot: 9 })).status, "NFS4ERR_SEQUENCE_POS");
    const bind = op("BIND_CONN_TO_SESSION", {
      bctsa_sessid: client.session.sessionId,
      bctsa_dir: "CDFC4_FORE_OR_BOTH",
      bctsa_use_conn_in_rdma_mode: false,
    });
    assert.equal((await client.call([bind])).status, "NFS4ERR_NOT_ONLY_OP");
    const bound = (await client.compound([bind])).ok("BIND_CONN_TO_SESSION");
    assert.equal(bound.bctsr_resok4.bctsr_dir, "CDFS4_FORE");
  });

  it("undoes everything when an operation breaks, and the server lives on", async () => {
    const broken = world.fileSystem.remove;
    world.fileSystem.remove = () => {
      throw new TypeError("a bug");
    };
    const remove = op("REMOVE", { target: nameOf("a") });
    const answer = await client.call([putFh(root), mkdir("a"), putFh(root), remove], { slot: 2 });
    assert.equal(answer.status, "NFS4ERR_SERVERFAULT");
    assert.equal(answer.statusOf("PUTFH"), "NFS4_OK");
    assert.equal(answer.statusOf("CREATE"), "NFS4ERR_SERVERFAULT");
    const again = await client.resend(answer.request);
    assert.deepEqual(again.bytes, answer.bytes);
    world.fileSystem.remove = broken;
    assert.deepEqual(await namesIn(client, root), []);
    const opened = await openFile(client, root, "f", { create: "GUARDED4" });
    world.fileSystem.getAttributes = () => {
      throw new TypeError("a bug");
    };
    const get = op("GETATTR", { attr_request: [] });
    const close = op("CLOSE", { seqid: 0, open_stateid: opened.stateid });
    const failed = await client.call([putFh(opened.fh), close, get]);
    assert.equal(failed.statusOf("CLOSE"), "NFS4ERR_SERVERFAULT");
    assert.equal((await readFile(client, opened, 0, 10)).eof, true);
  });

  it("passes a failure of suspended work on as its operation's error", async () => {
    const held = world.hold("createNode");
    const answer = client.call([putFh(root), mkdir("a")]);
    await held.reached;
    held.release(new FsError("NOSPC", "The disk is full"));
    assert.equal((await answer).status, "NFS4ERR_NOSPC");
  });

  it("undoes what the store has no room for, and says so or lets the client ask again", async () => {
    const full = () => {
      world.store.commitFailure = new FsError("NOSPC", "The disk is full");
    };
    full();
    assert.equal(
      (await client.call([putFh(root), mkdir("a")])).statusOf("CREATE"),
      "NFS4ERR_NOSPC",
    );
    assert.deepEqual(await namesIn(client, root), []);
    await client.ok([putFh(root), mkdir("a")]);
    full();
    const remove = [putFh(root), op("REMOVE", { target: nameOf("a") })];
    assert.equal((await client.call(remove)).statusOf("REMOVE"), "NFS4ERR_DELAY");
    await client.ok(remove);
  });

  it("leaves its reply until the disk has what it promises", async () => {
    await makeDirectory(client, root, "a");
    const gate = Promise.withResolvers<void>();
    world.store.syncDelay = gate.promise;
    const rename = op("RENAME", { oldname: nameOf("a"), newname: nameOf("b") });
    let answered = false;
    const answer = client.ok([putFh(root), op("SAVEFH"), rename]).finally(() => {
      answered = true;
    });
    // Others go on meanwhile.
    await client.ok([putFh(root), op("LOOKUP", { objname: nameOf("b") })]);
    assert.equal(answered, false);
    gate.resolve();
    await answer;
  });

  it("syncs before the reply for COMMIT, stable writes, CLOSE after writing and RENAME only", async () => {
    const { fh, stateid } = await openFile(client, root, "f", { create: "GUARDED4" });
    const syncs = async (run: () => Promise<unknown>) => {
      const before = world.store.syncs;
      await run();
      return world.store.syncs - before;
    };
    const file = { fh, stateid };
    const data = Buffer.from("x");
    assert.equal(await syncs(() => makeDirectory(client, root, "d")), 0);
    assert.equal(await syncs(() => writeFile(client, file, 0, data, "FILE_SYNC4")), 1);
    assert.equal(await syncs(() => writeFile(client, file, 0, data)), 0);
    const commit = op("COMMIT", { offset: 0n, count: 0 });
    assert.equal(await syncs(() => client.ok([putFh(fh), commit])), 1);
    const writer = await openFile(client, root, "g", { create: "GUARDED4" });
    const close = op("CLOSE", { seqid: 0, open_stateid: writer.stateid });
    assert.equal(await syncs(() => client.ok([putFh(writer.fh), close])), 1);
    const reader = await openFile(client, root, "g", { access: "READ" });
    const closeReader = op("CLOSE", { seqid: 0, open_stateid: reader.stateid });
    assert.equal(await syncs(() => client.ok([putFh(reader.fh), closeReader])), 0);
  });

  it("syncs every change of names and attributes before the reply when it is strict", async () => {
    const strict = new NfsWorld({ isStrict: true });
    const user = await strict.mount();
    const top = await rootOf(user);
    const syncs = async (run: () => Promise<unknown>) => {
      const before = strict.store.syncs;
      await run();
      return strict.store.syncs - before;
    };
    assert.equal(await syncs(() => makeDirectory(user, top, "d")), 1);
    const file = await openFile(user, top, "f", { create: "GUARDED4" });
    assert.equal(await syncs(() => writeFile(user, file, 0, Buffer.from("x"))), 0);
    assert.equal(
      await syncs(() => user.ok([putFh(top), op("REMOVE", { target: nameOf("f") })])),
      1,
    );
    await strict.end();
  });

  it("closes without a sync when the disk has all that was answered before", async () => {
    const file = await openFile(client, root, "f", { create: "GUARDED4" });
    await writeFile(client, file, 0, Buffer.from("x"), "FILE_SYNC4");
    const before = world.store.syncs;
    const close = op("CLOSE", { seqid: 0, open_stateid: file.stateid });
    await client.ok([putFh(file.fh), close]);
    assert.equal(world.store.syncs, before);
    await world.clock.advance(1000);
    assert.equal(world.store.syncs, before + 1);
  });

  it("syncs before the reply of a CLOSE what its own compound changed before it", async () => {
    const file = await openFile(client, root, "f", { create: "GUARDED4" });
    await world.store.sync();
    const before = world.store.syncs;
    const write = op("WRITE", {
      stateid: file.stateid,
      offset: 0,
      stable: "UNSTABLE4",
      data: [Buffer.from("x")],
    });
    const close = op("CLOSE", { seqid: 0, open_stateid: file.stateid });
    await client.ok([putFh(file.fh), write, close]);
    assert.equal(world.store.syncs, before + 1);
  });

  it("syncs other changes within a second", async () => {
    await world.clock.advance(5000);
    const before = world.store.syncs;
    await makeDirectory(client, root, "d");
    assert.equal(world.store.syncs, before);
    await world.clock.advance(1000);
    assert.equal(world.store.syncs, before + 1);
    await world.clock.advance(5000);
    assert.equal(world.store.syncs, before + 1);
  });

  it("acknowledges no change after a failed sync", async () => {
    const file = await openFile(client, root, "f", { create: "GUARDED4" });
    world.store.syncFailure = new Error("I/O error");
    const commit = [putFh(file.fh), op("COMMIT", { offset: 0n, count: 0 })];
    const failed = await client.call(commit, { slot: 3 });
    assert.equal(failed.statusOf("COMMIT"), "NFS4ERR_IO");
    assert.deepEqual((await client.resend(failed.request)).bytes, failed.bytes);
    world.store.syncFailure = undefined;
    assert.equal((await client.call([putFh(root), mkdir("a")])).status, "NFS4ERR_IO");
    assert.equal((await client.call(commit)).status, "NFS4ERR_IO");
    assert.deepEqual(await namesIn(client, root), ["f"]);
  });

  it("counts operations, and changes that are under way", async () => {
    const held = world.hold("createNode");
    assert.equal(world.counters.outstandingMutating, 0);
    const answer = client.call([putFh(root), mkdir("a")]);
    await held.reached;
    assert.equal(world.counters.outstandingMutating, 1);
    held.release();
    await answer;
    assert.equal(world.counters.outstandingMutating, 0);
    assert.deepEqual(world.counters.operations.get("OP_CREATE"), { total: 1, failed: 0 });
  });
});

describe("The table of operations", () => {
  it("has a row for every operation of the RFCs", () => {
    for (const name of nfs_opnum4.names) {
      if (name === "OP_ILLEGAL") continue;
      const row = operationOf(nfs_opnum4.numberOf(name), 2);
      assert.equal(row?.name, name);
    }
    assert.equal(new Set(operations).size, operations.length);
  });

  it("has the operations from 59 on in minor version 2 only", () => {
    for (let opnum = 3; opnum <= 75; opnum += 1) {
      assert.equal(operationOf(opnum, 1) !== undefined, opnum <= 58, `${opnum}`);
    }
  });
});
