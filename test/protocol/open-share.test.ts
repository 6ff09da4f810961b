import assert from "node:assert/strict";
import type { stateid4 } from "../../src/nfs4/wire/types.ts";
import { encodeAttributes } from "../support/nfs-attributes.ts";
import type { NfsClient } from "../support/nfs-client.ts";
import {
  attributesOf,
  closeFile,
  makeDirectory,
  nameOf,
  openFile,
  openOperation,
  putFh,
  putFile,
  readFile,
  rootOf,
  specialStateId,
  writeFile,
} from "../support/nfs-files.ts";
import { op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

describe("Opens", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
    await putFile(client, root, "f", "content");
  });
  afterEach(() => world.end());

  const tryOpen = (who: NfsClient, options: Parameters<typeof openOperation>[2], name = "f") =>
    who.call([putFh(root), openOperation(who, name, options)]);

  it("give one owner one stateid for a file, which counts on", async () => {
    const first = await openFile(client, root, "f", { access: "READ" });
    const second = await openFile(client, root, "f", { access: "WRITE" });
    assert.deepEqual(second.stateid.other, first.stateid.other);
    assert.equal(second.stateid.seqid, first.stateid.seqid + 1);
    const old = await client.call([
      putFh(first.fh),
      op("CLOSE", { seqid: 0, open_stateid: first.stateid }),
    ]);
    assert.equal(old.status, "NFS4ERR_OLD_STATEID");
    const future = { ...second.stateid, seqid: second.stateid.seqid + 1 };
    const bad = await client.call([
      putFh(first.fh),
      op("CLOSE", { seqid: 0, open_stateid: future }),
    ]);
    assert.equal(bad.status, "NFS4ERR_BAD_STATEID");
    // Seqid 0 means the latest.
    await closeFile(client, { fh: first.fh, stateid: { ...second.stateid, seqid: 0 } });
  });

  it("conflict where access meets deny, in both directions, and not by equal denials", async () => {
    const other = await world.mount();
    await openFile(client, root, "f", { access: "READ", deny: "WRITE" });
    assert.equal((await tryOpen(other, { access: "WRITE" })).status, "NFS4ERR_SHARE_DENIED");
    assert.equal(
      (await tryOpen(other, { access: "READ", deny: "READ" })).status,
      "NFS4ERR_SHARE_DENIED",
    );
    assert.equal((await tryOpen(other, { access: "READ", deny: "WRITE" })).status, "NFS4_OK");
  });

  it("give way when their client has not been heard of for a lease", async () => {
    const other = await world.mount();
    const held = await openFile(client, root, "f", { access: "READ", deny: "BOTH" });
    assert.equal((await tryOpen(other, { access: "READ" })).status, "NFS4ERR_SHARE_DENIED");
    await world.clock.advance(15_000);
    await other.ok([]);
    await world.clock.advance(15_000);
    assert.equal((await tryOpen(other, { access: "READ" })).status, "NFS4_OK");
    const late = await client.call([
      putFh(held.fh),
      op("READ", { stateid: held.stateid, offset: 0, count: 1 }),
    ]);
    assert.equal(late.status, "NFS4ERR_BADSESSION");
  });

  it("outlive the lease of a client that is alone", async () => {
    const file = await openFile(client, root, "f");
    await world.clock.advance(600_000);
    const again = world.reconnect(client.session);
    assert.equal((await readFile(again, file, 0, 100)).data.toString(), "content");
  });

  it("are reduced by OPEN_DOWNGRADE to what is left of the OPENs in effect, and never widened", async () => {
    const once = await openFile(client, root, "f", { access: "BOTH", owner: "once" });
    const never = op("OPEN_DOWNGRADE", {
      open_stateid: once.stateid,
      seqid: 0,
      share_access: 1,
      share_deny: 0,
    });
    assert.equal((await client.call([putFh(once.fh), never])).status, "NFS4ERR_INVAL");
    await openFile(client, root, "f", { access: "READ" });
    const file = await openFile(client, root, "f", { access: "BOTH" });
    const downgrade = (share_access: number, stateid = file.stateid) =>
      client.call([
        putFh(file.fh),
        op("OPEN_DOWNGRADE", { open_stateid: stateid, seqid: 0, share_access, share_deny: 0 }),
      ]);
    const done = await downgrade(1);
    const { open_stateid } = done.ok("OPEN_DOWNGRADE").resok4;
    const write = op("WRITE", {
      stateid: open_stateid,
      offset: 0,
      stable: "UNSTABLE4",
      data: [Buffer.from("x")],
    });
    assert.equal((await client.call([putFh(file.fh), write])).status, "NFS4ERR_OPENMODE");
    assert.equal((await downgrade(3, open_stateid)).status, "NFS4ERR_INVAL");
    assert.equal((await downgrade(0, open_stateid)).status, "NFS4ERR_INVAL");
  });

  it("of a client that has restarted end with its next session", async () => {
    const owner = "phoenix";
    const { eir_clientid, eir_sequenceid } = await client.exchangeId({ owner });
    await client.createSession(eir_clientid, eir_sequenceid);
    await client.ok([op("RECLAIM_COMPLETE", { rca_one_fs: false })]);
    await openFile(client, root, "f", { deny: "BOTH" });
    const old = client.session;
    const reborn = world.connect();
    const next = await reborn.exchangeId({ owner, verifier: Buffer.alloc(8, 9) });
    // Until the new record is confirmed the old one lives.
    await world.reconnect(old).ok([]);
    await reborn.createSession(next.eir_clientid, next.eir_sequenceid);
    await reborn.ok([op("RECLAIM_COMPLETE", { rca_one_fs: false })]);
    assert.equal((await tryOpen(reborn, {})).status, "NFS4_OK");
    assert.equal((await world.reconnect(old).call([])).status, "NFS4ERR_BADSESSION");
  });

  it("truncate an existing file and ignore all other attributes", async () => {
    const file = await openFile(client, root, "f", {
      create: "UNCHECKED4",
      attributes: { mode: 0o600, size: 0n },
    });
    assert.deepEqual(file.answer.ok("OPEN").resok4.attrset, [1 << 4]);
    const { size, mode } = await attributesOf(client, file.fh, "size", "mode");
    assert.equal(size, 0n);
    assert.equal(mode, 0o644);
  });

  it("create exclusively once, and again for the same verifier", async () => {
    const options = { create: "EXCLUSIVE4_1", attributes: { mode: 0o640 } } as const;
    const first = await openFile(client, root, "new", options);
    const again = await openFile(client, root, "new", options);
    assert.deepEqual(again.fh, first.fh);
    assert.equal((await attributesOf(client, first.fh, "mode")).mode, 0o640);
    const other = await tryOpen(client, { ...options, verifier: Buffer.alloc(8, 8) }, "new");
    assert.equal(other.status, "NFS4ERR_EXIST");
  });

  it("say that unlinked files are kept, and give no delegation", async () => {
    const { answer } = await openFile(client, root, "f");
    const { rflags, delegation, cinfo } = answer.ok("OPEN").resok4;
    assert.equal(rflags, 0x4 | 0x8);
    assert.equal(delegation.delegation_type, "OPEN_DELEGATE_NONE");
    assert.equal(cinfo.atomic, true);
    assert.equal(cinfo.before, cinfo.after);
  });

  it("by handle work, reclaims and delegations do not", async () => {
    const { fh } = await openFile(client, root, "f");
    const open = (claim: Parameters<typeof op<"OPEN">>[1]["claim"]) =>
      client.call([
        putFh(fh),
        op("OPEN", {
          seqid: 0,
          share_access: 1,
          share_deny: 0,
          owner: { clientid: 0n, owner: Buffer.from("by handle") },
          openhow: { opentype: "OPEN4_NOCREATE" },
          claim,
        }),
      ]);
    const opened = await open({ claim: "CLAIM_FH" });
    const { stateid } = opened.ok("OPEN").resok4;
    assert.equal((await readFile(client, { fh, stateid }, 0, 3)).data.toString(), "con");
    const reclaim = await open({ claim: "CLAIM_PREVIOUS", delegate_type: "OPEN_DELEGATE_NONE" });
    assert.equal(reclaim.status, "NFS4ERR_NO_GRACE");
    const delegated = await open({ claim: "CLAIM_DELEG_CUR_FH", oc_delegate_stateid: stateid });
    assert.equal(delegated.status, "NFS4ERR_BAD_STATEID");
    assert.equal((await open({ claim: "CLAIM_DELEG_PREV_FH" })).status, "NFS4ERR_RECLAIM_BAD");
  });

  it("wait for RECLAIM_COMPLETE", async () => {
    const fresh = world.connect();
    const { eir_clientid, eir_sequenceid } = await fresh.exchangeId({ owner: "fresh" });
    await fresh.createSession(eir_clientid, eir_sequenceid);
    assert.equal((await tryOpen(fresh, {})).status, "NFS4ERR_GRACE");
    await fresh.ok([op("RECLAIM_COMPLETE", { rca_one_fs: false })]);
    assert.equal((await tryOpen(fresh, {})).status, "NFS4_OK");
    const again = await fresh.call([op("RECLAIM_COMPLETE", { rca_one_fs: false })]);
    assert.equal(again.status, "NFS4ERR_COMPLETE_ALREADY");
  });

  it("refuse what is no regular file", async () => {
    await makeDirectory(client, root, "d");
    assert.equal((await tryOpen(client, {}, "d")).status, "NFS4ERR_ISDIR");
    const create = (type: "NF4LNK" | "NF4FIFO", name: string) =>
      op("CREATE", {
        objtype: type === "NF4LNK" ? { type, linkdata: Buffer.from("f") } : { type },
        objname: nameOf(name),
        createattrs: encodeAttributes({}),
      });
    await client.ok([putFh(root), create("NF4LNK", "l"), putFh(root), create("NF4FIFO", "p")]);
    assert.equal((await tryOpen(client, {}, "l")).status, "NFS4ERR_SYMLINK");
    assert.equal((await tryOpen(client, {}, "p")).status, "NFS4ERR_WRONG_TYPE");
  });

  it("check the share bits", async () => {
    const open = (share_access: number, share_deny: number) =>
      client.call([
        putFh(root),
        op("OPEN", {
          seqid: 0,
          share_access,
          share_deny,
          owner: { clientid: 0n, owner: Buffer.from("o") },
          openhow: { opentype: "OPEN4_NOCREATE" },
          claim: { claim: "CLAIM_NULL", file: nameOf("f") },
        }),
      ]);
    assert.equal((await open(0, 0)).status, "NFS4ERR_INVAL");
    assert.equal((await open(4, 0)).status, "NFS4ERR_INVAL");
    assert.equal((await open(1, 4)).status, "NFS4ERR_INVAL");
    assert.equal((await open(0x8000_0001, 0)).status, "NFS4ERR_INVAL");
    assert.equal((await open(0x10400 | 1, 0)).status, "NFS4_OK");
  });

  it("say why there is no delegation to a client that has said what it wants", async () => {
    const delegation = async (share_access: number) => {
      const args = {
        seqid: 0,
        share_access,
        share_deny: 0,
        owner: { clientid: 0n, owner: Buffer.from("o") },
        openhow: { opentype: "OPEN4_NOCREATE" },
        claim: { claim: "CLAIM_NULL", file: nameOf("f") },
      } as const;
      return (await client.ok([putFh(root), op("OPEN", args)])).ok("OPEN").resok4.delegation;
    };
    assert.deepEqual(await delegation(1), { delegation_type: "OPEN_DELEGATE_NONE" });
    const reasons = [
      [0x100, { ond_why: "WND4_RESOURCE", ond_server_will_signal_avail: false }],
      [0x400, { ond_why: "WND4_NOT_WANTED" }],
      [0x500, { ond_why: "WND4_CANCELLED" }],
    ] as const;
    for (const [want, od_whynone] of reasons) {
      const expected = { delegation_type: "OPEN_DELEGATE_NONE_EXT", od_whynone };
      assert.deepEqual(await delegation(want | 1), expected);
    }
  });

  it("of one owner are checked against its own denials, too", async () => {
    await openFile(client, root, "f", { access: "READ", deny: "WRITE" });
    assert.equal((await tryOpen(client, { access: "WRITE" })).status, "NFS4ERR_SHARE_DENIED");
  });

  it("let the anonymous and the bypass stateid read and write by permission, but not against denials", async () => {
    const { anonymous, readBypass } = specialStateId;
    const { fh, stateid } = await openFile(client, root, "f", { access: "READ" });
    assert.equal((await readFile(client, { fh, stateid: anonymous }, 0, 3)).data.toString(), "con");
    await writeFile(client, { fh, stateid: anonymous }, 0, Buffer.from("C"));
    await client.ok([
      putFh(fh),
      op("CLOSE", { seqid: 0, open_stateid: { ...stateid, seqid: 0 } }),
      putFh(root),
      openOperation(client, "f", { access: "READ", deny: "BOTH" }),
    ]);
    const read = (stateid: stateid4) =>
      client.call([putFh(fh), op("READ", { stateid, offset: 0, count: 3 })]);
    assert.equal((await read(anonymous)).status, "NFS4ERR_LOCKED");
    assert.equal((await read(readBypass)).status, "NFS4_OK");
  });

  it("keep others' permissions out of anonymous reads and writes", async () => {
    const { fh } = await openFile(client, root, "f");
    const read = op("READ", { stateid: specialStateId.anonymous, offset: 0, count: 3 });
    const write = op("WRITE", {
      stateid: specialStateId.anonymous,
      offset: 0,
      stable: "UNSTABLE4",
      data: [Buffer.from("x")],
    });
    const credential = { uid: 1000, gid: 1000 };
    assert.equal((await client.call([putFh(fh), read], { credential })).status, "NFS4_OK");
    assert.equal((await client.call([putFh(fh), write], { credential })).status, "NFS4ERR_ACCESS");
  });

  it("do not let a stateid be used on another file or by another client", async () => {
    const other = await world.mount();
    const file = await openFile(client, root, "f");
    const fh = await putFile(client, root, "g", "other");
    const read = op("READ", { stateid: file.stateid, offset: 0, count: 3 });
    assert.equal((await client.call([putFh(fh), read])).status, "NFS4ERR_BAD_STATEID");
    assert.equal((await other.call([putFh(file.fh), read])).status, "NFS4ERR_BAD_STATEID");
  });
});
