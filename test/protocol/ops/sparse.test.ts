import assert from "node:assert/strict";
import type { stateid4 } from "../../../src/nfs4/wire/types.ts";
import type { NfsClient } from "../../support/nfs-client.ts";
import {
  attributesOf,
  makeDirectory,
  type OpenedFile,
  openFile,
  openOperation,
  putFh,
  readFile,
  rootOf,
  specialStateId,
  writeFile,
} from "../../support/nfs-files.ts";
import { op } from "../../support/nfs-operations.ts";
import { NfsWorld } from "../../support/nfs-world.ts";

const page = 4096;
const data = 0;
const hole = 1;

describe("SEEK, ALLOCATE, DEALLOCATE, READ_PLUS and COPY", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  let file: OpenedFile;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
    file = await openFile(client, root, "f", { create: "GUARDED4", attributes: { mode: 0o644 } });
  });
  afterEach(() => world.end());

  const seek = (offset: number, what: number, fh = file.fh, stateid: stateid4 = file.stateid) =>
    client.call([putFh(fh), op("SEEK", { sa_stateid: stateid, sa_offset: offset, sa_what: what })]);
  const found = async (offset: number, what: number) => {
    const { sr_eof, sr_offset } = (await seek(offset, what)).ok("SEEK").resok4;
    return [sr_offset, sr_eof];
  };
  const allocate = (offset: number, length: number, stateid: stateid4 = file.stateid) =>
    client.call([
      putFh(file.fh),
      op("ALLOCATE", { aa_stateid: stateid, aa_offset: offset, aa_length: length }),
    ]);
  const deallocate = (offset: number, length: number, stateid: stateid4 = file.stateid) =>
    client.call([
      putFh(file.fh),
      op("DEALLOCATE", { da_stateid: stateid, da_offset: offset, da_length: length }),
    ]);
  const readPlus = async (offset: number, count: number) => {
    const args = { rpa_stateid: file.stateid, rpa_offset: offset, rpa_count: count };
    const answer = await client.ok([putFh(file.fh), op("READ_PLUS", args)], { cacheThis: false });
    const { rpr_eof, rpr_contents } = answer.ok("READ_PLUS").rp_resok4;
    const contents = rpr_contents.map((content) =>
      content.rpc_content === "NFS4_CONTENT_DATA"
        ? [content.rpc_data.d_offset, Buffer.concat(content.rpc_data.d_data).toString()]
        : [content.rpc_hole.di_offset, content.rpc_hole.di_length],
    );
    return { eof: rpr_eof, contents };
  };
  /** Two pages of data with a hole of ten between them, and a hole at the end. */
  const sparse = async () => {
    await writeFile(client, file, 0, Buffer.alloc(page, "a"));
    await writeFile(client, file, 11 * page, Buffer.alloc(page, "b"));
    await client.ok([
      putFh(file.fh),
      op("ALLOCATE", { aa_stateid: file.stateid, aa_offset: 20 * page, aa_length: page }),
      op("DEALLOCATE", { da_stateid: file.stateid, da_offset: 20 * page, da_length: page }),
    ]);
  };

  it("find data, holes and the hole at the end (RFC 7862 §15.11.3)", async () => {
    await sparse();
    assert.deepEqual(await found(0, data), [0, false]);
    assert.deepEqual(await found(0, hole), [page, false]);
    assert.deepEqual(await found(page, data), [11 * page, false]);
    assert.deepEqual(await found(11 * page + 1, hole), [12 * page, false]);
    assert.deepEqual(await found(12 * page, data), [21 * page, true]);
    await writeFile(client, file, 20 * page, Buffer.alloc(page, "c"));
    assert.deepEqual(await found(20 * page, hole), [21 * page, true]);
    assert.equal((await seek(21 * page, hole)).status, "NFS4ERR_NXIO");
    assert.equal((await seek(2 ** 52, data)).status, "NFS4ERR_NXIO");
    assert.equal((await seek(0, 7)).status, "NFS4ERR_UNION_NOTSUPP");
  });

  it("work with special stateids, and refuse those of other opens and other ways to use the file", async () => {
    await sparse();
    const { anonymous, readBypass } = specialStateId;
    for (const stateid of [anonymous, readBypass]) {
      assert.equal((await seek(0, data, file.fh, stateid)).status, "NFS4_OK");
      assert.equal((await allocate(0, page, stateid)).status, "NFS4_OK");
      assert.equal((await deallocate(0, page, stateid)).status, "NFS4_OK");
    }
    const reader = await openFile(client, root, "f", { access: "READ", owner: "r" });
    assert.equal((await allocate(0, 1, reader.stateid)).status, "NFS4ERR_OPENMODE");
    assert.equal((await deallocate(0, 1, reader.stateid)).status, "NFS4ERR_OPENMODE");
    const unknown = { seqid: 1, other: Buffer.alloc(12, 7) };
    assert.equal((await allocate(0, 1, unknown)).status, "NFS4ERR_BAD_STATEID");
    assert.equal((await seek(0, data, file.fh, unknown)).status, "NFS4ERR_BAD_STATEID");
    const credential = { uid: 9, gid: 9 };
    const args = { aa_stateid: anonymous, aa_offset: 0, aa_length: 1 };
    const denied = await client.call([putFh(file.fh), op("ALLOCATE", args)], { credential });
    assert.equal(denied.status, "NFS4ERR_ACCESS");
  });

  it("refuse what is no regular file, each with its error", async () => {
    const directory = await makeDirectory(client, root, "d");
    const { anonymous } = specialStateId;
    assert.equal((await seek(0, data, directory, anonymous)).status, "NFS4ERR_ISDIR");
    const ranged = [
      op("ALLOCATE", { aa_stateid: anonymous, aa_offset: 0, aa_length: 1 }),
      op("DEALLOCATE", { da_stateid: anonymous, da_offset: 0, da_length: 1 }),
    ];
    for (const each of ranged) {
      assert.equal((await client.call([putFh(directory), each])).status, "NFS4ERR_WRONG_TYPE");
    }
    const plus = op("READ_PLUS", { rpa_stateid: anonymous, rpa_offset: 0, rpa_count: 1 });
    assert.equal((await client.call([putFh(directory), plus])).status, "NFS4ERR_ISDIR");
    assert.equal((await client.call([plus])).status, "NFS4ERR_NOFILEHANDLE");
  });

  it("allocate zeros beyond the end, and punch holes that keep the size", async () => {
    assert.equal((await allocate(0, 0)).status, "NFS4ERR_INVAL");
    assert.equal((await deallocate(0, 0)).status, "NFS4ERR_INVAL");
    assert.equal((await allocate(page, 2 * page)).status, "NFS4_OK");
    const before = await attributesOf(client, file.fh, "size", "space_used", "change");
    assert.equal(before.size, BigInt(3 * page));
    assert.equal(before.space_used, BigInt(2 * page));
    assert.deepEqual(await readFile(client, file, 3 * page - 9, 10), {
      data: Buffer.alloc(9),
      eof: true,
    });
    assert.equal((await deallocate(page, 2 ** 52)).status, "NFS4_OK");
    const after = await attributesOf(client, file.fh, "size", "space_used", "change");
    assert.equal(after.size, before.size);
    assert.equal(after.space_used, 0n);
    assert.ok((after.change ?? 0n) > (before.change ?? 0n));
    assert.equal((await allocate(2 ** 53 - 2, page)).status, "NFS4ERR_FBIG");
  });

  it("read data and holes in one answer (RFC 7862 §15.10.3)", async () => {
    assert.deepEqual(await readPlus(0, 10), { eof: true, contents: [] });
    await sparse();
    const a = "a".repeat(page);
    const b = "b".repeat(page);
    assert.deepEqual(await readPlus(0, page), { eof: false, contents: [[0, a]] });
    assert.deepEqual(await readPlus(0, 5 * page), {
      eof: false,
      contents: [
        [0, a],
        [page, 4 * page],
      ],
    });
    // One run of data at a time.
    assert.deepEqual(await readPlus(0, 100 * page), {
      eof: false,
      contents: [
        [0, a],
        [page, 10 * page],
      ],
    });
    assert.deepEqual(await readPlus(10 * page, 100 * page), {
      eof: true,
      contents: [
        [10 * page, page],
        [11 * page, b],
        [12 * page, 9 * page],
      ],
    });
    assert.deepEqual(await readPlus(3, 0), { eof: false, contents: [] });
    assert.deepEqual(await readPlus(21 * page, 5), { eof: true, contents: [] });
    assert.deepEqual(await readPlus(11 * page + 5, 3), {
      eof: false,
      contents: [[11 * page + 5, "bbb"]],
    });
  });

  it("take advice and promise nothing for it", async () => {
    const advise = op("IO_ADVISE", {
      iaa_stateid: file.stateid,
      iaa_offset: 0,
      iaa_count: 0,
      iaa_hints: [2],
    });
    const answer = await client.ok([putFh(file.fh), advise]);
    assert.deepEqual(answer.ok("IO_ADVISE").resok4.ior_hints, []);
  });

  describe("COPY", () => {
    let target: OpenedFile;
    beforeEach(async () => {
      target = await openFile(client, root, "t", { create: "GUARDED4", owner: "target" });
      await writeFile(client, file, 0, Buffer.from("0123456789"));
    });
    const copy = (
      args: Partial<Parameters<typeof op<"COPY">>[1]> = {},
      from = file.fh,
      to = target.fh,
    ) =>
      client.call([
        putFh(from),
        op("SAVEFH"),
        putFh(to),
        op("COPY", {
          ca_src_stateid: file.stateid,
          ca_dst_stateid: target.stateid,
          ca_src_offset: 0,
          ca_dst_offset: 0,
          ca_count: 0,
          ca_consecutive: true,
          ca_synchronous: false,
          ca_source_server: [],
          ...args,
        }),
      ]);

    it("copies to the end of the file for a count of 0, and what is asked otherwise", async () => {
      const { cr_response, cr_requirements } = (await copy()).ok("COPY").cr_resok4;
      assert.deepEqual(cr_requirements, { cr_consecutive: true, cr_synchronous: true });
      assert.deepEqual(cr_response.wr_callback_id, []);
      assert.equal(cr_response.wr_count, 10);
      assert.deepEqual(Buffer.from(cr_response.wr_writeverf), world.fileSystem.writeVerifier);
      await copy({ ca_src_offset: 2, ca_dst_offset: 12, ca_count: 3 });
      const { data: bytes } = await readFile(client, target, 0, 100);
      assert.deepEqual(
        bytes,
        Buffer.concat([Buffer.from("0123456789"), Buffer.alloc(2), Buffer.from("234")]),
      );
    });

    it("refuses what lies beyond the end, the file itself, what is no file, and other servers", async () => {
      assert.equal((await copy({ ca_src_offset: 11 })).status, "NFS4ERR_INVAL");
      assert.equal((await copy({ ca_src_offset: 5, ca_count: 6 })).status, "NFS4ERR_INVAL");
      assert.equal((await copy({}, file.fh, file.fh)).status, "NFS4ERR_INVAL");
      assert.equal((await copy({}, root)).status, "NFS4ERR_WRONG_TYPE");
      assert.equal((await copy({}, file.fh, root)).status, "NFS4ERR_WRONG_TYPE");
      const ca_source_server = [{ nl_type: "NL4_NAME", nl_name: Buffer.from("x") }] as const;
      assert.equal((await copy({ ca_source_server })).status, "NFS4ERR_PARTNER_NOTSUPP");
      const reader = await openFile(client, root, "t", { access: "READ", owner: "r" });
      assert.equal((await copy({ ca_dst_stateid: reader.stateid })).status, "NFS4ERR_OPENMODE");
      const swapped = { ca_src_stateid: target.stateid, ca_dst_stateid: file.stateid };
      assert.equal((await copy(swapped)).status, "NFS4ERR_BAD_STATEID");
    });

    it("takes the current stateid of each of the two filehandles", async () => {
      const { current } = specialStateId;
      const answer = await client.ok([
        putFh(root),
        openOperation(client, "f", { owner: "1" }),
        op("SAVEFH"),
        putFh(root),
        openOperation(client, "t", { owner: "2" }),
        op("COPY", {
          ca_src_stateid: current,
          ca_dst_stateid: current,
          ca_src_offset: 0,
          ca_dst_offset: 0,
          ca_count: 4,
          ca_consecutive: true,
          ca_synchronous: true,
          ca_source_server: [],
        }),
      ]);
      assert.equal(answer.ok("COPY").cr_resok4.cr_response.wr_count, 4);
    });
  });
});
