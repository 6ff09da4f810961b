import assert from "node:assert/strict";
import { encodeAttributes } from "../../support/nfs-attributes.ts";
import type { NfsClient } from "../../support/nfs-client.ts";
import {
  attributesOf,
  closeFile,
  nameOf,
  type OpenedFile,
  openFile,
  openOperation,
  putFh,
  putFile,
  rootOf,
  specialStateId,
} from "../../support/nfs-files.ts";
import { type ArgsOf, op } from "../../support/nfs-operations.ts";
import { NfsWorld } from "../../support/nfs-world.ts";

const alice = { uid: 1000, gid: 1000 };
const bob = { uid: 2000, gid: 2000 };

describe("OPEN", () => {
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

  const tryOpen = (changes: Partial<ArgsOf<"OPEN">>, name = "f", who = client) => {
    const { args } = openOperation(who, name, { access: "READ" });
    return who.call([putFh(root), op("OPEN", { ...(args as ArgsOf<"OPEN">), ...changes })]);
  };

  it("answers each type of object as the RFC says, by name and by handle", async () => {
    const types = { NF4DIR: "ISDIR", NF4FIFO: "WRONG_TYPE", NF4SOCK: "WRONG_TYPE" } as const;
    const cases: [ArgsOf<"CREATE">["objtype"], string][] = [
      ...Object.entries(types).map(
        ([type, status]) =>
          [{ type: type as keyof typeof types }, status] satisfies (typeof cases)[number],
      ),
      [{ type: "NF4LNK", linkdata: Buffer.from("f") }, "SYMLINK"],
      [{ type: "NF4CHR", devdata: { specdata1: 1, specdata2: 3 } }, "WRONG_TYPE"],
      [{ type: "NF4BLK", devdata: { specdata1: 1, specdata2: 3 } }, "WRONG_TYPE"],
    ];
    for (const [objtype, status] of cases) {
      const name = objtype.type;
      const createattrs = encodeAttributes({});
      const create = op("CREATE", { objtype, objname: nameOf(name), createattrs });
      const made = await client.ok([putFh(root), create, op("GETFH")]);
      const fh = Uint8Array.from(made.ok("GETFH").resok4.object);
      assert.equal((await tryOpen({}, name)).status, `NFS4ERR_${status}`, `${name} by name`);
      const { args } = openOperation(client, "", { access: "READ" });
      const byHandle = { ...(args as ArgsOf<"OPEN">), claim: { claim: "CLAIM_FH" } } as const;
      const answer = await client.call([putFh(fh), op("OPEN", byHandle)]);
      assert.equal(answer.status, `NFS4ERR_${status}`, `${name} by handle`);
      for (const create of ["GUARDED4", "EXCLUSIVE4_1"] as const) {
        const exists = await client.call([putFh(root), openOperation(client, name, { create })]);
        assert.equal(exists.status, "NFS4ERR_EXIST", `${create} of ${name}`);
      }
      if (objtype.type === "NF4DIR") continue;
      const below = await client.call([putFh(fh), openOperation(client, "x")]);
      assert.equal(below.status, "NFS4ERR_NOTDIR", `below ${name}`);
    }
  });

  it("creates exclusively with settable attributes only", async () => {
    const exclusive = (cva_attrs: ReturnType<typeof encodeAttributes>) =>
      tryOpen(
        {
          openhow: {
            opentype: "OPEN4_CREATE",
            how: {
              mode: "EXCLUSIVE4_1",
              ch_createboth: { cva_verf: Buffer.alloc(8, 1), cva_attrs },
            },
          },
        },
        "new",
      );
    const unknown = { attrmask: [0, 0, 0, 1], attr_vals: Buffer.alloc(0) };
    assert.equal((await exclusive(unknown)).status, "NFS4ERR_INVAL");
    assert.equal((await exclusive(encodeAttributes({ change: 1n }))).status, "NFS4ERR_INVAL");
    const made = await exclusive(encodeAttributes({ mode: 0o640 }));
    assert.deepEqual(made.ok("OPEN").resok4.attrset, encodeAttributes({ mode: 0 }).attrmask);
  });

  it("creates by name alone, and knows no delegation to create under", async () => {
    const openhow = {
      opentype: "OPEN4_CREATE",
      how: { mode: "UNCHECKED4", createattrs: encodeAttributes({}) },
    } as const;
    const file = nameOf("g");
    const stateid = specialStateId.anonymous;
    const claims: [ArgsOf<"OPEN">["claim"], string][] = [
      [{ claim: "CLAIM_FH" }, "INVAL"],
      [{ claim: "CLAIM_PREVIOUS", delegate_type: "OPEN_DELEGATE_NONE" }, "INVAL"],
      [{ claim: "CLAIM_DELEG_CUR_FH", oc_delegate_stateid: stateid }, "INVAL"],
      [
        {
          claim: "CLAIM_DELEGATE_CUR",
          delegate_cur_info: { delegate_stateid: stateid, file },
        },
        "BAD_STATEID",
      ],
      [{ claim: "CLAIM_DELEGATE_PREV", file_delegate_prev: file }, "RECLAIM_BAD"],
    ];
    for (const [claim, status] of claims) {
      assert.equal((await tryOpen({ openhow, claim })).status, `NFS4ERR_${status}`, claim.claim);
    }
    const returned = op("DELEGRETURN", { deleg_stateid: stateid });
    assert.equal((await client.call([returned])).status, "NFS4ERR_NOFILEHANDLE");
    assert.equal((await client.call([putFh(root), returned])).status, "NFS4ERR_BAD_STATEID");
  });

  it("ignores seqid and client ID of its arguments", async () => {
    const owner = { clientid: 0x1234n, owner: Buffer.from("open owner") };
    const first = (await tryOpen({ seqid: 99, owner })).ok("OPEN").resok4;
    const again = (await tryOpen({ seqid: 3, owner: { ...owner, clientid: 7n } })).ok("OPEN");
    assert.deepEqual(again.resok4.stateid.other, first.stateid.other);
    assert.equal(again.resok4.stateid.seqid, first.stateid.seqid + 1);
  });

  it("does not truncate under a denial of writing, though it asks for reading alone", async () => {
    const other = await world.mount();
    await openFile(other, root, "f", { access: "READ", deny: "WRITE" });
    const attributes = { size: 0n };
    const create = "UNCHECKED4";
    const truncate = openOperation(client, "f", { access: "READ", create, attributes });
    assert.equal((await client.call([putFh(root), truncate])).status, "NFS4ERR_SHARE_DENIED");
    const plain = openOperation(client, "f", { access: "READ", create });
    assert.equal((await client.call([putFh(root), plain])).status, "NFS4_OK");
  });

  describe("gives a stateid", () => {
    let file: OpenedFile;
    const read = (credential: typeof alice, stateid = file.stateid) =>
      client.call([putFh(file.fh), op("READ", { stateid, offset: 0, count: 3 })], { credential });
    const write = (credential: typeof alice) =>
      client.call(
        [
          putFh(file.fh),
          op("WRITE", {
            stateid: file.stateid,
            offset: 0,
            stable: "UNSTABLE4",
            data: [Buffer.from("x")],
          }),
        ],
        { credential },
      );
    beforeEach(async () => {
      const attributes = encodeAttributes({ mode: 0o777 });
      const setattr = op("SETATTR", {
        stateid: specialStateId.anonymous,
        obj_attributes: attributes,
      });
      await client.ok([putFh(root), setattr]);
      file = await openFile(
        client,
        root,
        "private",
        { create: "GUARDED4", attributes: { mode: 0o600 } },
        { credential: alice },
      );
    });

    it("that others may use as far as they may use the file (RFC 8881 §18.16.4)", async () => {
      assert.equal((await read(bob)).status, "NFS4ERR_ACCESS");
      assert.equal((await write(bob)).status, "NFS4ERR_ACCESS");
      assert.equal((await read({ uid: 0, gid: 0 })).status, "NFS4_OK");
      const obj_attributes = encodeAttributes({ mode: 0o604 });
      const setattr = op("SETATTR", { stateid: specialStateId.anonymous, obj_attributes });
      await client.ok([putFh(file.fh), setattr], { credential: alice });
      assert.equal((await read(bob)).status, "NFS4_OK");
      assert.equal((await write(bob)).status, "NFS4ERR_ACCESS");
    });

    it("under which Linux asks for space and holes as whoever asks, so that others may", async () => {
      const list = [
        putFh(file.fh),
        op("ALLOCATE", { aa_stateid: file.stateid, aa_offset: 0, aa_length: 10 }),
        op("SEEK", { sa_stateid: file.stateid, sa_offset: 0, sa_what: 0 }),
        op("DEALLOCATE", { da_stateid: file.stateid, da_offset: 0, da_length: 10 }),
      ];
      assert.equal((await client.call(list, { credential: bob })).status, "NFS4_OK");
      const stateid = specialStateId.anonymous;
      const seek = op("SEEK", { sa_stateid: stateid, sa_offset: 0, sa_what: 0 });
      const stranger = await client.call([putFh(file.fh), seek], { credential: bob });
      assert.equal(stranger.status, "NFS4ERR_ACCESS");
    });

    it("with which its opener goes on whatever becomes of the mode, over a restart too", async () => {
      const obj_attributes = encodeAttributes({ mode: 0 });
      const setattr = op("SETATTR", { stateid: specialStateId.anonymous, obj_attributes });
      await client.ok([putFh(file.fh), setattr], { credential: alice });
      assert.equal((await write(alice)).status, "NFS4_OK");
      assert.equal((await read(alice, specialStateId.anonymous)).status, "NFS4ERR_ACCESS");
      world.kill();
      client = world.reconnect(client.session);
      assert.equal((await read(alice)).status, "NFS4_OK");
      assert.equal((await read(bob)).status, "NFS4ERR_ACCESS");
      await closeFile(client, file);
      assert.equal((await attributesOf(client, file.fh, "size")).size, 1n);
    });
  });
});
