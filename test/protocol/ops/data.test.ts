import assert from "node:assert/strict";
import type { NfsClient } from "../../support/nfs-client.ts";
import {
  closeFile,
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

describe("READ, WRITE and COMMIT", () => {
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

  const write = (offset: number, data: string, stateid = file.stateid) =>
    client.call([
      putFh(file.fh),
      op("WRITE", { stateid, offset, stable: "UNSTABLE4", data: [Buffer.from(data)] }),
    ]);

  it("carry a whole mebibyte there and back", async () => {
    const data = Buffer.alloc(1024 * 1024, "0123456789abcdef-");
    const written = await writeFile(client, file, 100, data);
    assert.equal(written.count, data.length);
    assert.deepEqual(Buffer.from(written.writeverf), world.fileSystem.writeVerifier);
    const list = [
      putFh(file.fh),
      op("READ", { stateid: file.stateid, offset: 100, count: 2 ** 20 }),
    ];
    const read = await client.ok(list, { cacheThis: false });
    const { data: chunks, eof } = read.ok("READ").resok4;
    assert.ok(Buffer.concat(chunks).equals(data));
    assert.equal(eof, true);
  });

  it("say eof at the end and beyond, and read zeros where nothing was written", async () => {
    await write(10, "x");
    assert.deepEqual(await readFile(client, file, 0, 5), { data: Buffer.alloc(5), eof: false });
    assert.equal((await readFile(client, file, 0, 11)).eof, true);
    assert.deepEqual(await readFile(client, file, 11, 5), { data: Buffer.alloc(0), eof: true });
    assert.deepEqual(await readFile(client, file, 2 ** 40, 5), {
      data: Buffer.alloc(0),
      eof: true,
    });
    assert.deepEqual(await readFile(client, file, 0, 0), { data: Buffer.alloc(0), eof: false });
  });

  it("answer how stable the data is", async () => {
    for (const stable of ["UNSTABLE4", "DATA_SYNC4", "FILE_SYNC4"] as const) {
      const { committed } = await writeFile(client, file, 0, Buffer.from("x"), stable);
      assert.equal(committed, stable);
    }
    const commit = [putFh(file.fh), op("COMMIT", { offset: 0n, count: 0 })];
    const { writeverf } = (await client.ok(commit)).ok("COMMIT").resok4;
    assert.deepEqual(Buffer.from(writeverf), world.fileSystem.writeVerifier);
  });

  it("refuse directories and offsets beyond what a file can have", async () => {
    const directory = await makeDirectory(client, root, "d");
    const stateid = specialStateId.anonymous;
    const read = op("READ", { stateid, offset: 0, count: 1 });
    assert.equal((await client.call([putFh(directory), read])).status, "NFS4ERR_ISDIR");
    const commit = op("COMMIT", { offset: 0n, count: 0 });
    assert.equal((await client.call([putFh(directory), commit])).status, "NFS4ERR_ISDIR");
    const answer = await write(0, "x");
    // Offset 2^60, in place of 0: after the header, SEQUENCE, PUTFH and the stateid.
    const { request } = answer;
    const at = request.length - 4 - 4 - 4 - 8;
    request.writeBigUInt64BE(2n ** 60n, at);
    request.writeUInt32BE((client.session.sequences[0] ?? 0) + 1, 4 + 4 + 4 + 4 + 16);
    assert.equal((await client.resend(request)).status, "NFS4ERR_FBIG");
  });

  it("use the current stateid of the compound", async () => {
    const { current } = specialStateId;
    const data = [Buffer.from("now")];
    const answer = await client.ok([
      putFh(root),
      openOperation(client, "f", { owner: "other" }),
      op("WRITE", { stateid: current, offset: 0, stable: "UNSTABLE4", data }),
      op("READ", { stateid: current, offset: 0, count: 3 }),
      op("CLOSE", { seqid: 0, open_stateid: current }),
    ]);
    assert.equal(Buffer.concat(answer.ok("READ").resok4.data).toString(), "now");
    const none = await client.call([
      putFh(file.fh),
      op("READ", { stateid: current, offset: 0, count: 3 }),
    ]);
    assert.equal(none.status, "NFS4ERR_BAD_STATEID");
  });

  it("need an open for writing to write, and may read what they write", async () => {
    const reader = await openFile(client, root, "f", { access: "READ", owner: "r" });
    assert.equal((await write(0, "x", reader.stateid)).status, "NFS4ERR_OPENMODE");
    const writer = await openFile(client, root, "f", { access: "WRITE", owner: "w" });
    assert.equal((await write(0, "x", writer.stateid)).status, "NFS4_OK");
    assert.equal((await readFile(client, writer, 0, 1)).data.toString(), "x");
  });

  it("by a write-only open read nothing against a denial of reading", async () => {
    const { fh, stateid } = await openFile(client, root, "f", { access: "WRITE", owner: "writer" });
    const read = [putFh(fh), op("READ", { stateid, offset: 0, count: 1 })];
    assert.equal((await client.call(read)).status, "NFS4_OK");
    const other = await world.mount();
    await closeFile(client, file);
    await openFile(other, root, "f", { access: "WRITE", deny: "READ" });
    assert.equal((await client.call(read)).status, "NFS4ERR_LOCKED");
  });

  it("end with CLOSE, after which only special stateids work", async () => {
    await write(0, "x");
    await closeFile(client, file);
    assert.equal((await write(0, "y")).status, "NFS4ERR_BAD_STATEID");
    assert.equal((await write(0, "y", specialStateId.anonymous)).status, "NFS4_OK");
    const again = [putFh(file.fh), op("CLOSE", { seqid: 0, open_stateid: file.stateid })];
    assert.equal((await client.call(again)).status, "NFS4ERR_BAD_STATEID");
  });
});
