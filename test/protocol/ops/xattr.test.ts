import assert from "node:assert/strict";
import type { NfsClient } from "../../support/nfs-client.ts";
import { attributesOf, makeDirectory, putFh, putFile, rootOf } from "../../support/nfs-files.ts";
import { op } from "../../support/nfs-operations.ts";
import { NfsWorld } from "../../support/nfs-world.ts";

type Option = "SETXATTR4_EITHER" | "SETXATTR4_CREATE" | "SETXATTR4_REPLACE";

describe("GETXATTR, SETXATTR, LISTXATTRS and REMOVEXATTR", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  let fh: Uint8Array;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
    fh = await putFile(client, root, "f", "content");
  });
  afterEach(() => world.end());

  const set = (name: string, value: string, option: Option = "SETXATTR4_EITHER", object = fh) =>
    client.call([
      putFh(object),
      op("SETXATTR", {
        sxa_option: option,
        sxa_key: Buffer.from(name),
        sxa_value: Buffer.from(value),
      }),
    ]);
  const get = (name: string | Buffer, object = fh) =>
    client.call([putFh(object), op("GETXATTR", { gxa_name: Buffer.from(name) })]);
  const remove = (name: string) =>
    client.call([putFh(fh), op("REMOVEXATTR", { rxa_name: Buffer.from(name) })]);
  const list = async (cookie = 0n, maxcount = 4096) => {
    const args = { lxa_cookie: cookie, lxa_maxcount: maxcount };
    const { lxr_value } = (await client.ok([putFh(fh), op("LISTXATTRS", args)])).ok("LISTXATTRS");
    const names = lxr_value.lxr_names.map((name) => Buffer.from(name).toString());
    return { names, cookie: lxr_value.lxr_cookie, eof: lxr_value.lxr_eof };
  };

  it("are announced in minor version 2 only", async () => {
    assert.deepEqual(await attributesOf(client, fh, "xattr_support"), { xattr_support: true });
    const old = await world.mount({ minorVersion: 1 });
    assert.deepEqual(await attributesOf(old, fh, "xattr_support"), {});
  });

  it("with names that cannot be are refused, each with its error", async () => {
    const names = [
      [Buffer.alloc(0), "INVAL"],
      [Buffer.from([0x61, 0xff]), "INVAL"],
      [Buffer.alloc(256, "n"), "NAMETOOLONG"],
    ] as const;
    for (const [name, status] of names) {
      const sxa = { sxa_option: "SETXATTR4_EITHER", sxa_key: name, sxa_value: name } as const;
      for (const operation of [
        op("GETXATTR", { gxa_name: name }),
        op("SETXATTR", sxa),
        op("REMOVEXATTR", { rxa_name: name }),
      ]) {
        const answer = await client.call([putFh(fh), operation]);
        assert.equal(answer.status, `NFS4ERR_${status}`, operation.op);
      }
    }
  });

  it("mind the channel: REP_TOO_BIG for a value, REQ_TOO_BIG for a request", async () => {
    assert.equal((await set("k", "v".repeat(1200))).status, "NFS4_OK");
    const narrow = world.connect();
    const { eir_clientid, eir_sequenceid } = await narrow.exchangeId({ owner: "narrow" });
    const limits = { ca_maxresponsesize: 1000, ca_maxrequestsize: 1000 };
    await narrow.createSession(eir_clientid, eir_sequenceid, limits);
    const getxattr = op("GETXATTR", { gxa_name: Buffer.from("k") });
    const got = await narrow.call([putFh(fh), getxattr], { cacheThis: false });
    assert.equal(got.statusOf("GETXATTR"), "NFS4ERR_REP_TOO_BIG");
    client = narrow;
    assert.equal((await set("k", "w".repeat(1200))).statusOf("SEQUENCE"), "NFS4ERR_REQ_TOO_BIG");
  });

  it("keep values of files and directories", async () => {
    const directory = await makeDirectory(client, root, "d");
    for (const object of [fh, directory]) {
      assert.equal((await set("k", "v", "SETXATTR4_EITHER", object)).status, "NFS4_OK");
      const { gxr_value } = (await get("k", object)).ok("GETXATTR");
      assert.equal(Buffer.from(gxr_value).toString(), "v");
    }
  });

  it("answer EXIST, NOXATTR and XATTR2BIG as RFC 8276 §8.4 says", async () => {
    assert.equal((await get("k")).status, "NFS4ERR_NOXATTR");
    assert.equal((await remove("k")).status, "NFS4ERR_NOXATTR");
    assert.equal((await set("k", "v", "SETXATTR4_REPLACE")).status, "NFS4ERR_NOXATTR");
    assert.equal((await set("k", "v", "SETXATTR4_CREATE")).status, "NFS4_OK");
    assert.equal((await set("k", "v", "SETXATTR4_CREATE")).status, "NFS4ERR_EXIST");
    assert.equal((await set("k", "w", "SETXATTR4_REPLACE")).status, "NFS4_OK");
    assert.equal((await set("k", "x".repeat(5000))).status, "NFS4ERR_XATTR2BIG");
    assert.equal((await set("", "v")).status, "NFS4ERR_INVAL");
    assert.equal((await set("n".repeat(256), "v")).status, "NFS4ERR_NAMETOOLONG");
    assert.equal((await get(Buffer.of(0xff))).status, "NFS4ERR_INVAL");
    assert.equal((await remove("k")).status, "NFS4_OK");
    assert.equal((await get("k")).status, "NFS4ERR_NOXATTR");
  });

  it("tell the change attribute before and after, which moves only with the value", async () => {
    const before = await attributesOf(client, fh, "change", "time_metadata");
    await world.clock.advance(1000);
    const { sxr_info } = (await set("k", "v")).ok("SETXATTR");
    assert.deepEqual(sxr_info.before, before.change);
    assert.equal(sxr_info.atomic, true);
    const after = await attributesOf(client, fh, "change", "time_metadata");
    assert.equal(after.change, sxr_info.after);
    assert.notDeepEqual(after.time_metadata, before.time_metadata);
    const same = (await set("k", "v")).ok("SETXATTR").sxr_info;
    assert.deepEqual([same.before, same.after], [after.change, after.change]);
    const { rxr_info } = (await remove("k")).ok("REMOVEXATTR");
    assert.equal(rxr_info.before, after.change);
    assert.ok(rxr_info.after > rxr_info.before);
  });

  it("are listed in pages, each within maxcount, also while others go", async () => {
    assert.deepEqual(await list(), { names: [], cookie: 0n, eof: true });
    const names = Array.from({ length: 20 }, (_, at) => `name-${at}`);
    for (const name of names) await set(name, "v");
    assert.deepEqual((await list()).names.sort(), [...names].sort());
    const seen: string[] = [];
    let page = await list(0n, 60);
    for (; !page.eof; page = await list(page.cookie, 60)) {
      assert.ok(page.names.length > 0 && page.names.length <= 4);
      seen.push(...page.names);
      for (const name of page.names) await remove(name);
    }
    seen.push(...page.names);
    assert.deepEqual(seen.sort(), [...names].sort());
    const args = { lxa_cookie: 0n, lxa_maxcount: 20 };
    await set("name", "v");
    const small = await client.call([putFh(fh), op("LISTXATTRS", args)]);
    assert.equal(small.status, "NFS4ERR_TOOSMALL");
  });

  it("are undone with a compound's crash, and replayed with its reply", async () => {
    const first = await set("k", "v", "SETXATTR4_CREATE");
    const again = await client.resend(first.request);
    assert.deepEqual(again.bytes, first.bytes);
  });
});
