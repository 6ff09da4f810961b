import assert from "node:assert/strict";
import { exchgid4_flag } from "../../src/nfs4/wire/session.ts";
import { encodeAttributes } from "../support/nfs-attributes.ts";
import type { NfsClient } from "../support/nfs-client.ts";
import { attributesOf, nameOf, openFile, putFh, putFile, rootOf } from "../support/nfs-files.ts";
import { type ArgsOf, op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

const { EXCHGID4_FLAG_CONFIRMED_R, EXCHGID4_FLAG_USE_NON_PNFS, EXCHGID4_FLAG_UPD_CONFIRMED_REC_A } =
  exchgid4_flag;
const update = { flags: EXCHGID4_FLAG_UPD_CONFIRMED_REC_A };

describe("EXCHANGE_ID and CREATE_SESSION", () => {
  let world: NfsWorld;
  let client: NfsClient;
  beforeEach(() => {
    world = new NfsWorld();
    client = world.connect();
  });
  afterEach(() => world.end());

  it("tell servers of two volumes apart, and one server's lives not", async () => {
    const other = new NfsWorld();
    const ours = await client.exchangeId();
    const theirs = await other.connect().exchangeId();
    assert.notDeepEqual(theirs.eir_server_owner, ours.eir_server_owner);
    assert.notDeepEqual(theirs.eir_server_scope, ours.eir_server_scope);
    assert.notEqual(theirs.eir_clientid >> 32n, ours.eir_clientid >> 32n);
    world.kill();
    client = world.connect();
    const again = await client.exchangeId({ owner: "another" });
    assert.deepEqual(again.eir_server_owner, ours.eir_server_owner);
    assert.deepEqual(again.eir_server_scope, ours.eir_server_scope);
    assert.notEqual(again.eir_clientid, ours.eir_clientid);
    await other.end();
  });

  it("never give a client ID twice, not even over a reboot", async () => {
    const first = await client.exchangeId();
    world.reboot();
    client = world.connect();
    assert.notEqual((await client.exchangeId()).eir_clientid, first.eir_clientid);
  });

  it("let a client ask again before it confirms, and know it afterwards", async () => {
    const first = await client.exchangeId();
    assert.equal(first.eir_flags, EXCHGID4_FLAG_USE_NON_PNFS);
    const second = await client.exchangeId();
    const { eir_clientid, eir_sequenceid } = second;
    await client.createSession(eir_clientid, eir_sequenceid);
    const third = await client.exchangeId();
    assert.equal(third.eir_clientid, eir_clientid);
    assert.equal(third.eir_flags, (EXCHGID4_FLAG_USE_NON_PNFS | EXCHGID4_FLAG_CONFIRMED_R) >>> 0);
    assert.equal(third.eir_sequenceid, eir_sequenceid + 1);
  });

  it("keep owners with different credentials apart while the first lives", async () => {
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    await client.createSession(eir_clientid, eir_sequenceid);
    const stranger = world.connect({ credential: { uid: 5, gid: 5 } });
    await assert.rejects(stranger.exchangeId(), /CLID_INUSE/);
    await assert.rejects(stranger.exchangeId(update), /PERM/);
    await world.clock.advance(25_000);
    assert.notEqual((await stranger.exchangeId()).eir_clientid, eir_clientid);
  });

  it("update only what is confirmed and the same", async () => {
    await assert.rejects(client.exchangeId(update), /NOENT/);
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    await assert.rejects(client.exchangeId(update), /NOENT/);
    await client.createSession(eir_clientid, eir_sequenceid);
    assert.equal((await client.exchangeId(update)).eir_clientid, eir_clientid);
    await assert.rejects(
      client.exchangeId({ ...update, verifier: Buffer.alloc(8, 3) }),
      /NOT_SAME/,
    );
  });

  it("drop a record that was not confirmed within a lease", async () => {
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    await world.clock.advance(45_000);
    client = world.connect();
    await assert.rejects(client.createSession(eir_clientid, eir_sequenceid), /STALE_CLIENTID/);
  });

  it("replay CREATE_SESSION by its sequence id, over a restart too", async () => {
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    const first = await client.createSession(eir_clientid, eir_sequenceid);
    world.kill();
    client = world.connect();
    const again = await client.createSession(eir_clientid, eir_sequenceid);
    assert.deepEqual(again.csr, first.csr);
    await assert.rejects(client.createSession(eir_clientid, eir_sequenceid + 2), /SEQ_MISORDERED/);
    await assert.rejects(client.createSession(99n, 1), /STALE_CLIENTID/);
    const second = await client.createSession(eir_clientid, eir_sequenceid + 1);
    assert.notDeepEqual(second.sessionId, first.sessionId);
  });

  it("grant what Linux insists on: no larger replies, no fewer operations, PERSIST, no back channel", async () => {
    const { csr } = await client.establish();
    const fore = csr.csr_fore_chan_attrs;
    assert.equal(fore.ca_maxrequestsize, 1049620);
    assert.equal(fore.ca_maxresponsesize, 1049480);
    assert.equal(fore.ca_maxresponsesize_cached, 7584);
    assert.equal(fore.ca_maxoperations, 8);
    assert.equal(fore.ca_maxrequests, 64);
    assert.equal(csr.csr_flags, 1);
  });

  it("refuse a session that is too small to work with", async () => {
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    const small = { ca_maxresponsesize: 100 };
    await assert.rejects(client.createSession(eir_clientid, eir_sequenceid, small), /TOOSMALL/);
    const none = { ca_maxrequests: 0 };
    await assert.rejects(client.createSession(eir_clientid, eir_sequenceid + 1, none), /INVAL/);
  });

  it("count a CREATE_SESSION that failed, fail its replay alike, and take a better one in its place", async () => {
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    const small = { ca_maxresponsesize: 100 };
    const tooSmall = () => client.createSession(eir_clientid, eir_sequenceid, small);
    await assert.rejects(tooSmall(), /TOOSMALL/);
    await assert.rejects(tooSmall(), /TOOSMALL/);
    await client.createSession(eir_clientid, eir_sequenceid);
    assert.equal((await client.call([])).status, "NFS4_OK");
    await client.createSession(eir_clientid, eir_sequenceid + 1);
    const count = eir_sequenceid + 2;
    await assert.rejects(client.createSession(eir_clientid, count, small), /TOOSMALL/);
    await client.createSession(eir_clientid, count + 1);
  });

  it("answer REP_TOO_BIG_TO_CACHE to a SEQUENCE whose own reply is, and leave the slot alone", async () => {
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    await client.createSession(eir_clientid, eir_sequenceid, { ca_maxresponsesize_cached: 10 });
    const kept = await client.call([], { slot: 0, sequenceId: 1, cacheThis: true });
    assert.equal(kept.statusOf("SEQUENCE"), "NFS4ERR_REP_TOO_BIG_TO_CACHE");
    const other = await client.call([], { slot: 0, sequenceId: 1, cacheThis: false });
    assert.equal(other.statusOf("SEQUENCE"), "NFS4_OK");
  });

  it("refuse a back channel on which nothing could be asked", async () => {
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    const channel = (ca_maxrequestsize: number) => ({
      ca_headerpadsize: 0,
      ca_maxrequestsize,
      ca_maxresponsesize: 8192,
      ca_maxresponsesize_cached: 8192,
      ca_maxoperations: 8,
      ca_maxrequests: 8,
      ca_rdma_ird: [],
    });
    const create = (back: number) =>
      client.compound([
        op("CREATE_SESSION", {
          csa_clientid: eir_clientid,
          csa_sequence: eir_sequenceid,
          csa_flags: 0,
          csa_fore_chan_attrs: channel(8192),
          csa_back_chan_attrs: channel(back),
          csa_cb_program: 123,
          csa_sec_parms: [],
        }),
      ]);
    assert.equal((await create(10)).status, "NFS4ERR_TOOSMALL");
    assert.equal((await create(8192)).status, "NFS4_OK");
  });

  it("refuse state protection that needs RPCSEC_GSS, and flags that clients do not set", async () => {
    const exchange = async (
      eia_state_protect: ArgsOf<"EXCHANGE_ID">["eia_state_protect"],
      eia_flags = 0,
    ) => {
      const owner = { co_verifier: Buffer.alloc(8), co_ownerid: Buffer.from("protected") };
      const args = { eia_clientowner: owner, eia_flags, eia_state_protect, eia_client_impl_id: [] };
      return (await client.compound([op("EXCHANGE_ID", args)])).status;
    };
    const ops = { spo_must_enforce: [], spo_must_allow: [] };
    const sha256 = Buffer.from("6086480165030402 01".replaceAll(" ", ""), "hex");
    const ssv = (ssp_window: number, algorithms: Uint8Array[]) =>
      exchange({
        spa_how: "SP4_SSV",
        spa_ssv_parms: {
          ssp_ops: ops,
          ssp_hash_algs: algorithms,
          ssp_encr_algs: algorithms,
          ssp_window,
          ssp_num_gss_handles: 0,
        },
      });
    const machine = { spa_how: "SP4_MACH_CRED", spa_mach_ops: ops } as const;
    assert.equal(await exchange(machine), "NFS4ERR_INVAL");
    assert.equal(await ssv(1, []), "NFS4ERR_INVAL");
    assert.equal(await ssv(0, [sha256]), "NFS4ERR_INVAL");
    assert.equal(await ssv(1, [sha256]), "NFS4ERR_ENCR_ALG_UNSUPP");
    const none = { spa_how: "SP4_NONE" } as const;
    for (const flags of [EXCHGID4_FLAG_CONFIRMED_R, 0x8, 0x2000_0000]) {
      assert.equal(await exchange(none, flags), "NFS4ERR_INVAL", `${flags}`);
    }
    assert.equal(await exchange(none, 0x70107), "NFS4_OK");
  });

  it("know no handle of RPCSEC_GSS for callbacks", async () => {
    const handle = Buffer.alloc(4, 1);
    const cbsp_gss_handles = {
      gcbp_service: "RPC_GSS_SVC_INTEGRITY",
      gcbp_handle_from_server: handle,
      gcbp_handle_from_client: handle,
    } as const;
    const gss = { cb_secflavor: 6, cbsp_gss_handles } as const;
    await client.establish();
    const control = (bca_sec_parms: ArgsOf<"BACKCHANNEL_CTL">["bca_sec_parms"]) =>
      client.call([op("BACKCHANNEL_CTL", { bca_cb_program: 1, bca_sec_parms })]);
    assert.equal((await control([{ cb_secflavor: 0 }])).status, "NFS4_OK");
    assert.equal((await control([{ cb_secflavor: 0 }, gss])).status, "NFS4ERR_NOENT");
  });

  it("drop a client ID that was not confirmed within a lease", async () => {
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    await world.clock.advance(30_000);
    await assert.rejects(client.createSession(eir_clientid, eir_sequenceid), /STALE_CLIENTID/);
  });

  it("end with DESTROY_SESSION and DESTROY_CLIENTID, in that order", async () => {
    const { clientId, sessionId } = await client.establish();
    const destroyClient = [op("DESTROY_CLIENTID", { dca_clientid: clientId })];
    assert.equal((await client.compound(destroyClient)).status, "NFS4ERR_CLIENTID_BUSY");
    assert.equal((await client.call(destroyClient)).status, "NFS4ERR_CLIENTID_BUSY");
    const destroySession = op("DESTROY_SESSION", { dsa_sessionid: sessionId });
    const early = await client.call([destroySession, op("PUTROOTFH")]);
    assert.equal(early.status, "NFS4ERR_NOT_ONLY_OP");
    assert.equal((await client.call([destroySession])).status, "NFS4_OK");
    assert.equal((await client.compound([destroySession])).status, "NFS4ERR_BADSESSION");
    assert.equal((await client.call([])).status, "NFS4ERR_BADSESSION");
    assert.equal((await client.compound(destroyClient)).status, "NFS4_OK");
    assert.equal((await client.compound(destroyClient)).status, "NFS4ERR_STALE_CLIENTID");
  });

  it("forget a client without a session after its lease, and drop what only it held", async () => {
    const { sessionId } = await client.establish();
    const root = await rootOf(client);
    await putFile(client, root, "f", "content");
    const { fh } = await openFile(client, root, "f");
    await client.ok([putFh(root), op("REMOVE", { target: nameOf("f") })]);
    await client.ok([op("DESTROY_SESSION", { dsa_sessionid: sessionId })]);
    const other = await world.mount();
    assert.equal((await attributesOf(other, fh, "numlinks")).numlinks, 0);
    await world.clock.advance(45_000);
    const gone = await other.call([putFh(fh), op("GETATTR", { attr_request: [] })]);
    assert.equal(gone.status, "NFS4ERR_STALE");
    assert.equal(world.server.figures.opens, 0);
  });
});

describe("The limits of a session", () => {
  let world: NfsWorld;
  let client: NfsClient;
  const limits = {
    ca_maxrequestsize: 2048,
    ca_maxresponsesize: 2048,
    ca_maxresponsesize_cached: 512,
    ca_maxoperations: 4,
    ca_maxrequests: 2,
  };
  beforeEach(async () => {
    world = new NfsWorld();
    client = world.connect();
    const { eir_clientid, eir_sequenceid } = await client.exchangeId();
    await client.createSession(eir_clientid, eir_sequenceid, limits);
    await client.ok([op("RECLAIM_COMPLETE", { rca_one_fs: false })]);
  });
  afterEach(() => world.end());

  it("bound the request, judged before anything in it", async () => {
    const name = Buffer.alloc(2000, "x");
    const answer = await client.call([op("PUTROOTFH"), op("LOOKUP", { objname: name })], {
      slot: 1,
    });
    assert.equal(answer.statusOf("SEQUENCE"), "NFS4ERR_REQ_TOO_BIG");
    const sequence = { sequenceId: 99, slot: 77 };
    const wrong = await client.call([op("LOOKUP", { objname: name })], sequence);
    assert.equal(wrong.statusOf("SEQUENCE"), "NFS4ERR_REQ_TOO_BIG");
  });

  it("bound operations and slots", async () => {
    const root = op("PUTROOTFH");
    assert.equal((await client.call([root, root, root])).status, "NFS4_OK");
    assert.equal((await client.call([root, root, root, root])).status, "NFS4ERR_TOO_MANY_OPS");
    const slot = await client.call([root], { slot: 2 });
    assert.equal(slot.statusOf("SEQUENCE"), "NFS4ERR_BADSLOT");
  });

  it("bound the reply, and never let a change happen that cannot be answered", async () => {
    const create = (target: number) =>
      op("CREATE", {
        objtype: { type: "NF4LNK", linkdata: Buffer.alloc(target, "t") },
        objname: nameOf(`l${target}`),
        createattrs: encodeAttributes({}),
      });
    await client.ok([op("PUTROOTFH"), create(1500)]);
    const lookup = op("LOOKUP", { objname: nameOf("l1500") });
    const read = [op("PUTROOTFH"), lookup, op("READLINK")];
    const cached = await client.call(read, { cacheThis: true });
    assert.equal(cached.statusOf("READLINK"), "NFS4ERR_REP_TOO_BIG_TO_CACHE");
    assert.equal((await client.call(read, { cacheThis: false })).status, "NFS4_OK");
    const tag = "x".repeat(420);
    const full = await client.call([op("PUTROOTFH"), create(10)], { tag, cacheThis: true });
    assert.equal(full.statusOf("CREATE"), "NFS4ERR_REP_TOO_BIG_TO_CACHE");
    const none = await client.call([op("PUTROOTFH"), op("LOOKUP", { objname: nameOf("l10") })]);
    assert.equal(none.status, "NFS4ERR_NOENT");
  });

  it("shorten READ to what the reply can hold", async () => {
    const root = await rootOf(client);
    const fh = await putFile(client, root, "f", "c".repeat(1500));
    const read = op("READ", {
      stateid: { seqid: 0, other: Buffer.alloc(12) },
      offset: 0,
      count: 1500,
    });
    const answer = await client.call([putFh(fh), read], { cacheThis: true });
    const { data, eof } = answer.ok("READ").resok4;
    assert.ok(answer.recordBytes <= 512);
    assert.ok(Buffer.concat(data).length > 300);
    assert.equal(eof, false);
  });
});
