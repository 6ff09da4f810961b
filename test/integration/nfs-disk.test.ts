import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cpSync } from "node:fs";
import { silentLog } from "../../src/base/log.ts";
import { NfsServer } from "../../src/nfs4/nfs-server.ts";
import { duplexPair } from "../support/duplex-pair.ts";
import { ask, decodeAttributes } from "../support/nfs-attributes.ts";
import { NfsClient } from "../support/nfs-client.ts";
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
import { op } from "../support/nfs-operations.ts";
import { VolumeCase } from "../support/volume-case.ts";

describe("The NFS server over a volume on the disk", () => {
  let volume: VolumeCase;
  let server: NfsServer;
  let client: NfsClient;
  let root: Uint8Array;

  const start = () => {
    const { fileSystem, clock, state } = volume;
    return new NfsServer({}, { fileSystem, store: state.db, clock, log: silentLog, randomBytes });
  };
  const connect = (options: ConstructorParameters<typeof NfsClient>[1] = {}) => {
    const [ours, theirs] = duplexPair();
    server.accept(theirs);
    return new NfsClient(ours, options);
  };
  /** kill -9: what is in the folder now is what the next process finds. */
  const kill = async (bootId?: string) => {
    const { session } = client;
    client.destroy();
    await volume.crash((from, to) => {
      cpSync(from, to, { recursive: true });
    }, bootId);
    server = start();
    client = connect({ session });
  };

  beforeEach(async () => {
    volume = new VolumeCase();
    server = start();
    client = connect();
    await client.establish();
    root = await rootOf(client);
  });
  afterEach(async () => {
    client.destroy();
    await server.stop();
    await volume.close();
  });

  it("keeps files, directories and their attributes", async () => {
    const directory = await makeDirectory(client, root, "dir");
    await putFile(client, directory, "f", "content");
    assert.deepEqual(await namesIn(client, directory), ["f"]);
    const file = await openFile(client, directory, "f");
    assert.equal((await readFile(client, file, 0, 100)).data.toString(), "content");
    const data = randomBytes(1024 * 1024);
    await writeFile(client, file, 5000, data, "FILE_SYNC4");
    const read = op("READ", { stateid: file.stateid, offset: 5000, count: data.length });
    const answer = await client.ok([putFh(file.fh), read], { cacheThis: false });
    assert.ok(Buffer.concat(answer.ok("READ").resok4.data).equals(data));
    const { size, numlinks } = await attributesOf(client, file.fh, "size", "numlinks");
    assert.deepEqual([size, numlinks], [5000n + 1048576n, 1]);
    await closeFile(client, file);
  });

  it("replays after a kill, and keeps opens, written data and files without a name", async () => {
    await putFile(client, root, "f", "content");
    const file = await openFile(client, root, "f");
    const write = op("WRITE", {
      stateid: file.stateid,
      offset: 0,
      stable: "UNSTABLE4",
      data: [Buffer.from("CON")],
    });
    const written = await client.ok([putFh(file.fh), write], { slot: 4 });
    const removed = await client.ok([putFh(root), op("REMOVE", { target: nameOf("f") })], {
      slot: 5,
    });
    await kill();
    assert.deepEqual((await client.resend(removed.request)).bytes, removed.bytes);
    assert.deepEqual((await client.resend(written.request)).bytes, written.bytes);
    assert.equal((await readFile(client, file, 0, 100)).data.toString(), "CONtent");
    await closeFile(client, file);
    const gone = await client.call([putFh(file.fh), op("GETATTR", { attr_request: [] })]);
    assert.equal(gone.status, "NFS4ERR_STALE");
  });

  it("executes creations in one compound with their attributes, and undoes nothing after an error", async () => {
    const create = (name: string) => mkdir(name, { mode: 0o2750, owner: "5" });
    const answer = await client.call([
      putFh(root),
      create("a"),
      op("GETATTR", { attr_request: ask("mode", "owner") }),
      putFh(root),
      create("a"),
    ]);
    assert.equal(answer.status, "NFS4ERR_EXIST");
    const attributes = decodeAttributes(answer.ok("GETATTR").resok4.obj_attributes);
    assert.deepEqual(attributes, { mode: 0o2750, owner: "5" });
    assert.deepEqual(await namesIn(client, root), ["a"]);
  });

  it("forgets its clients in another boot of the machine, and keeps the files", async () => {
    await putFile(client, root, "f", "content");
    const file = await openFile(client, root, "f");
    await client.ok([putFh(file.fh), op("COMMIT", { offset: 0n, count: 0 })]);
    await kill("boot 2");
    assert.equal((await client.call([])).status, "NFS4ERR_BADSESSION");
    await client.establish();
    const again = await openFile(client, root, "f");
    assert.equal((await readFile(client, again, 0, 100)).data.toString(), "content");
  });
});
