import assert from "node:assert/strict";
import { bitmapOf, bitsOf } from "../../../src/nfs4/wire/bitmap.ts";
import type { fattr4, stateid4 } from "../../../src/nfs4/wire/types.ts";
import { type AttributeValues, ask, encodeAttributes } from "../../support/nfs-attributes.ts";
import type { ClientCredential, NfsClient } from "../../support/nfs-client.ts";
import {
  attributesOf,
  makeDirectory,
  openFile,
  putFh,
  putFile,
  rootOf,
} from "../../support/nfs-files.ts";
import { op } from "../../support/nfs-operations.ts";
import { NfsWorld } from "../../support/nfs-world.ts";

const anonymous = { seqid: 0, other: Buffer.alloc(12) };

describe("Attributes", () => {
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

  const set = (
    obj_attributes: fattr4,
    stateid: stateid4 = anonymous,
    credential: ClientCredential | undefined = client.credential,
  ) => client.call([putFh(fh), op("SETATTR", { stateid, obj_attributes })], { credential });
  const setValues = (values: AttributeValues) => set(encodeAttributes(values));

  it("are set together and read back", async () => {
    const time = { seconds: -5n, nseconds: 123_456_789 };
    const values = {
      size: 3n,
      mode: 0o4751,
      owner: "1000",
      owner_group: "4294967294",
      time_access_set: { set_it: "SET_TO_CLIENT_TIME4", time },
      time_modify_set: { set_it: "SET_TO_CLIENT_TIME4", time },
    } as const;
    const answer = await setValues(values);
    assert.deepEqual(answer.ok("SETATTR").attrsset, encodeAttributes(values).attrmask);
    const got = await attributesOf(client, fh, "size", "owner", "owner_group", "time_modify");
    assert.deepEqual(got, {
      size: 3n,
      owner: "1000",
      owner_group: "4294967294",
      time_modify: time,
    });
    await setValues({ time_modify_set: { set_it: "SET_TO_SERVER_TIME4" } });
    const { time_modify } = await attributesOf(client, fh, "time_modify");
    assert.equal(time_modify?.seconds, world.clock.nowNs() / 1_000_000_000n);
  });

  it("are refused one by one where they cannot be set", async () => {
    const cases: readonly (readonly [fattr4, string])[] = [
      [encodeAttributes({ owner: "root@example.org" }), "NFS4ERR_BADOWNER"],
      [encodeAttributes({ owner_group: "4294967295" }), "NFS4ERR_BADOWNER"],
      [encodeAttributes({ mode: 0o10000 }), "NFS4ERR_INVAL"],
      [encodeAttributes({ change: 1n }), "NFS4ERR_INVAL"],
      [encodeAttributes({ size: 2n ** 60n }), "NFS4ERR_FBIG"],
      [
        encodeAttributes({
          time_modify_set: {
            set_it: "SET_TO_CLIENT_TIME4",
            time: { seconds: 0n, nseconds: 1_000_000_000 },
          },
        }),
        "NFS4ERR_INVAL",
      ],
      [{ attrmask: bitmapOf([12]), attr_vals: Buffer.alloc(4) }, "NFS4ERR_ATTRNOTSUPP"],
      [{ attrmask: bitmapOf([33, 2000]), attr_vals: Buffer.alloc(4) }, "NFS4ERR_ATTRNOTSUPP"],
      [{ attrmask: bitmapOf([33]), attr_vals: Buffer.alloc(2) }, "NFS4ERR_BADXDR"],
      [{ attrmask: bitmapOf([33]), attr_vals: Buffer.alloc(8) }, "NFS4ERR_BADXDR"],
    ];
    const before = await attributesOf(client, fh, "change");
    for (const [attributes, status] of cases) {
      const answer = await set(attributes);
      assert.equal(answer.status, status);
      assert.deepEqual(answer.result("SETATTR").attrsset, []);
    }
    assert.deepEqual(await attributesOf(client, fh, "change"), before);
  });

  it("of size take the stateid's access, or the caller's permission", async () => {
    const size = encodeAttributes({ size: 0n });
    const reader = await openFile(client, root, "f", { access: "READ" });
    assert.equal((await set(size, reader.stateid)).status, "NFS4ERR_OPENMODE");
    const user = { uid: 1000, gid: 1000 };
    assert.equal((await set(size, anonymous, user)).status, "NFS4ERR_ACCESS");
    const writer = await openFile(client, root, "f", { access: "WRITE", owner: "writer" });
    assert.equal((await set(size, writer.stateid)).status, "NFS4_OK");
    assert.equal((await set(size, writer.stateid, user)).status, "NFS4ERR_ACCESS");
    const unknown = { seqid: 1, other: Buffer.alloc(12, 9) };
    assert.equal((await set(size, unknown)).status, "NFS4ERR_BAD_STATEID");
    assert.equal((await set(encodeAttributes({ mode: 0o600 }), unknown)).status, "NFS4_OK");
  });

  it("belong to owners: others may not change them", async () => {
    const user = { uid: 1000, gid: 1000 };
    const mode = encodeAttributes({ mode: 0o777 });
    assert.equal((await set(mode, anonymous, user)).status, "NFS4ERR_PERM");
  });

  it("that this server does not have are left out of GETATTR", async () => {
    const setOnly = new Set([48, 54]);
    const all = Array.from({ length: 100 }, (_, at) => at);
    const request = bitmapOf(all.filter((bit) => !setOnly.has(bit)));
    const answer = await client.ok([putFh(fh), op("GETATTR", { attr_request: request })], {
      cacheThis: false,
    });
    const { attrmask } = answer.ok("GETATTR").resok4.obj_attributes;
    const { supported_attrs = [] } = await attributesOf(client, fh, "supported_attrs");
    const readable = bitsOf(supported_attrs).filter((bit) => !setOnly.has(bit));
    assert.deepEqual(bitsOf(attrmask), readable);
  });

  it("that can only be set cannot be asked for", async () => {
    for (const bit of [48, 54]) {
      const ask = op("GETATTR", { attr_request: bitmapOf([1, bit]) });
      assert.equal((await client.call([putFh(fh), ask])).status, "NFS4ERR_INVAL");
    }
  });

  it("are told back in the shortest bitmap, however many words the client sent", async () => {
    const { attrmask, attr_vals } = encodeAttributes({ mode: 0o600 });
    const padded = { attrmask: [...attrmask, ...Array.from({ length: 5000 }, () => 0)], attr_vals };
    const answer = await set(padded);
    assert.deepEqual(answer.ok("SETATTR").attrsset, attrmask);
  });

  it("of a file are as the table in the design says", async () => {
    const values = await attributesOf(
      client,
      fh,
      "type",
      "numlinks",
      "maxlink",
      "maxname",
      "no_trunc",
      "chown_restricted",
      "unique_handles",
      "rawdev",
      "filehandle",
      "size",
    );
    assert.equal(values.type, "NF4REG");
    assert.equal(values.numlinks, 1);
    assert.equal(values.maxlink, 65_000);
    assert.equal(values.maxname, 255);
    assert.equal(values.size, 7n);
    assert.deepEqual(values.rawdev, { specdata1: 0, specdata2: 0 });
    assert.deepEqual(Buffer.from(values.filehandle ?? []), Buffer.from(fh));
    const space = await attributesOf(client, fh, "space_total", "space_free", "space_avail");
    assert.ok((space.space_total ?? 0n) >= (space.space_free ?? 0n));
    assert.equal(space.space_avail, space.space_free);
  });

  it("are compared by VERIFY and NVERIFY", async () => {
    const compare = (name: "VERIFY" | "NVERIFY", obj_attributes: fattr4) =>
      client.call([putFh(fh), op(name, { obj_attributes })]);
    const same = encodeAttributes({ type: "NF4REG", size: 7n });
    const other = encodeAttributes({ type: "NF4REG", size: 8n });
    assert.equal((await compare("VERIFY", same)).status, "NFS4_OK");
    assert.equal((await compare("VERIFY", other)).status, "NFS4ERR_NOT_SAME");
    assert.equal((await compare("NVERIFY", same)).status, "NFS4ERR_SAME");
    assert.equal((await compare("NVERIFY", other)).status, "NFS4_OK");
    const error = encodeAttributes({ rdattr_error: "NFS4_OK" });
    assert.equal((await compare("VERIFY", error)).status, "NFS4ERR_INVAL");
    const acl = { attrmask: bitmapOf([12]), attr_vals: Buffer.alloc(4) };
    assert.equal((await compare("VERIFY", acl)).status, "NFS4ERR_ATTRNOTSUPP");
  });

  it("are compared only when their values can be read, and a mode only by the bits it has", async () => {
    const compare = (name: "VERIFY" | "NVERIFY", obj_attributes: fattr4) =>
      client.call([putFh(fh), op(name, { obj_attributes })]);
    for (const name of ["VERIFY", "NVERIFY"] as const) {
      for (const attr_vals of [Buffer.alloc(4), Buffer.alloc(12)]) {
        const answer = await compare(name, { attrmask: ask("size"), attr_vals });
        assert.equal(answer.status, "NFS4ERR_BADXDR");
      }
      const mode = encodeAttributes({ mode: 0o10644 });
      assert.equal((await compare(name, mode)).status, "NFS4ERR_INVAL");
      const settable = encodeAttributes({ time_modify_set: { set_it: "SET_TO_SERVER_TIME4" } });
      assert.equal((await compare(name, settable)).status, "NFS4ERR_INVAL");
    }
    const owner = encodeAttributes({ owner: "0", owner_group: "0" });
    assert.equal((await compare("VERIFY", owner)).status, "NFS4_OK");
  });

  it("of size belong to regular files", async () => {
    const obj_attributes = encodeAttributes({ size: 1n });
    const objects = [
      { type: "NF4DIR" },
      { type: "NF4FIFO" },
      { type: "NF4LNK", linkdata: Buffer.from("f") },
    ] as const;
    for (const objtype of objects) {
      const objname = Buffer.from(objtype.type);
      const create = op("CREATE", { objtype, objname, createattrs: encodeAttributes({}) });
      const setattr = op("SETATTR", { stateid: anonymous, obj_attributes });
      const answer = await client.call([putFh(root), create, setattr]);
      assert.equal(answer.statusOf("SETATTR"), "NFS4ERR_WRONG_TYPE", objtype.type);
    }
  });

  it("decide what ACCESS grants, bit by bit", async () => {
    const access = async (object: Uint8Array, credential?: ClientCredential) => {
      const answer = await client.ok([putFh(object), op("ACCESS", { access: 0x1ff })], {
        credential,
      });
      return answer.ok("ACCESS").resok4;
    };
    assert.deepEqual(await access(fh, { uid: 0, gid: 0 }), { supported: 0x1ed, access: 0x1cd });
    assert.deepEqual(await access(fh, { uid: 9, gid: 9 }), { supported: 0x1ed, access: 0x141 });
    assert.deepEqual(await access(fh, undefined), { supported: 0x1ed, access: 0x141 });
    const directory = await makeDirectory(client, root, "d", { mode: 0o711 });
    assert.deepEqual(await access(directory, { uid: 9, gid: 9 }), {
      supported: 0x1df,
      access: 0x02,
    });
    const old = await world.mount({ minorVersion: 1 });
    const { resok4 } = (await old.ok([putFh(fh), op("ACCESS", { access: 0x1ff })])).ok("ACCESS");
    assert.deepEqual(resok4, { supported: 0x2d, access: 0x0d });
    const asked = await client.ok([putFh(fh), op("ACCESS", { access: 0x1 })]);
    assert.deepEqual(asked.ok("ACCESS").resok4, { supported: 1, access: 1 });
  });

  it("that wait for S3 do not make GETATTR of others wait", async () => {
    const held = world.hold("getAttributes");
    const first = client.call([putFh(fh), op("GETATTR", { attr_request: ask("size") })]);
    await held.reached;
    assert.equal((await attributesOf(client, root, "type")).type, "NF4DIR");
    held.release();
    assert.equal((await first).status, "NFS4_OK");
  });
});
