import assert from "node:assert/strict";
import type { stateid4 } from "../../src/nfs4/wire/types.ts";
import { encodeAttributes } from "../support/nfs-attributes.ts";
import type { NfsClient } from "../support/nfs-client.ts";
import {
  nameOf,
  openFile,
  openOperation,
  putFh,
  putFile,
  rootOf,
  specialStateId,
} from "../support/nfs-files.ts";
import { type Operation, op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

const { current } = specialStateId;

describe("A special stateid", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  let fh: Uint8Array;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
    fh = await putFile(client, root, "f", "content");
    await putFile(client, root, "g", "other");
  });
  afterEach(() => world.end());

  const read = (stateid: stateid4) => op("READ", { stateid, offset: 0, count: 3 });
  const close = op("CLOSE", { seqid: 0, open_stateid: current });
  const open = () => openOperation(client, "f");
  const status = async (...list: readonly Operation[]) => (await client.call(list)).status;

  it("is one of those that RFC 8881 §8.2.3 defines, or bad", async () => {
    const [zeros, ones] = [Buffer.alloc(12), Buffer.alloc(12, 0xff)];
    for (const stateid of [
      { seqid: 2, other: zeros },
      { seqid: 0xffff_fffe, other: zeros },
      { seqid: 0xffff_ffff, other: zeros },
      { seqid: 0, other: ones },
      { seqid: 1, other: ones },
      { seqid: 0xffff_fffe, other: ones },
    ]) {
      const what = `${stateid.seqid} ${stateid.other[0]}`;
      const write = op("WRITE", { stateid, offset: 0, stable: "UNSTABLE4", data: [] });
      const obj_attributes = encodeAttributes({ size: 1n });
      assert.equal(await status(putFh(fh), read(stateid)), "NFS4ERR_BAD_STATEID", what);
      assert.equal(await status(putFh(fh), write), "NFS4ERR_BAD_STATEID", what);
      const setattr = op("SETATTR", { stateid, obj_attributes });
      assert.equal(await status(putFh(fh), setattr), "NFS4ERR_BAD_STATEID", what);
    }
  });

  it("names no open and no lock, and is bad wherever one is wanted", async () => {
    for (const stateid of [specialStateId.anonymous, specialStateId.readBypass]) {
      const share = { share_access: 1, share_deny: 0, seqid: 0 };
      const range = { locktype: "READ_LT", offset: 0n, length: 1n } as const;
      const lock_owner = { lock_stateid: stateid, lock_seqid: 0 };
      const locker = { new_lock_owner: false, lock_owner } as const;
      for (const operation of [
        op("CLOSE", { seqid: 0, open_stateid: stateid }),
        op("OPEN_DOWNGRADE", { ...share, open_stateid: stateid }),
        op("LOCK", { ...range, reclaim: false, locker }),
        op("LOCKU", { ...range, seqid: 0, lock_stateid: stateid }),
        op("FREE_STATEID", { fsa_stateid: stateid }),
      ]) {
        assert.equal(await status(putFh(fh), operation), "NFS4ERR_BAD_STATEID", operation.op);
      }
    }
    const all = Object.values(specialStateId);
    const tested = (await client.ok([op("TEST_STATEID", { ts_stateids: all })])).ok("TEST_STATEID");
    assert.deepEqual(
      tested.tsr_resok4.tsr_status_codes,
      all.map(() => "NFS4ERR_BAD_STATEID"),
    );
  });

  it("that means the current one is bad before any was returned, and with another filehandle", async () => {
    const lookup = op("LOOKUP", { objname: nameOf("g") });
    assert.equal(await status(putFh(fh), read(current)), "NFS4ERR_BAD_STATEID");
    assert.equal(
      await status(putFh(root), open(), putFh(fh), read(current)),
      "NFS4ERR_BAD_STATEID",
    );
    assert.equal(
      await status(putFh(root), open(), putFh(root), lookup, read(current)),
      "NFS4ERR_BAD_STATEID",
    );
    assert.equal(await status(putFh(root), open(), close, close), "NFS4ERR_BAD_STATEID");
    assert.equal(await status(putFh(root), open(), close, read(current)), "NFS4ERR_BAD_STATEID");
  });

  it("that means the current one is what the last operation returned, and is saved with its filehandle", async () => {
    const lock = op("LOCK", {
      locktype: "WRITE_LT",
      reclaim: false,
      offset: 0n,
      length: 1n,
      locker: {
        new_lock_owner: true,
        open_owner: {
          open_seqid: 0,
          open_stateid: current,
          lock_seqid: 0,
          lock_owner: { clientid: 0n, owner: Buffer.from("locker") },
        },
      },
    });
    const range = { locktype: "WRITE_LT", seqid: 0, offset: 0n, length: 1n } as const;
    const unlock = op("LOCKU", { ...range, lock_stateid: current });
    assert.equal(await status(putFh(root), open(), lock, read(current), unlock), "NFS4_OK");
    const free = op("FREE_STATEID", { fsa_stateid: current });
    assert.equal(await status(putFh(root), open(), free), "NFS4ERR_LOCKS_HELD");
    const elsewhere = [op("SAVEFH"), putFh(root), op("RESTOREFH")];
    assert.equal(await status(putFh(root), open(), ...elsewhere, read(current)), "NFS4_OK");
    const less = { share_access: 1, share_deny: 0, seqid: 0, open_stateid: current };
    await openFile(client, root, "f", { access: "READ" });
    const downgrade = op("OPEN_DOWNGRADE", less);
    assert.equal(await status(putFh(root), open(), downgrade, read(current), close), "NFS4_OK");
  });
});
