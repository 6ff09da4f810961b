import assert from "node:assert/strict";
import type { Log } from "../../src/base/log.ts";
import { NFS4_PROGRAM } from "../../src/nfs4/wire/compound.ts";
import { ask, encodeAttributes } from "../support/nfs-attributes.ts";
import type { NfsClient } from "../support/nfs-client.ts";
import { nameOf, openFile, openOperation, putFh, putFile, rootOf } from "../support/nfs-files.ts";
import { type Operation, op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

/** Compounds sent; `make soak` sends a million. */
const total = Number(process.env["S3FILES_FUZZ"] ?? 15_000);
const freshSeed = Number(process.env["S3FILES_SEED"] ?? Date.now() % 1_000_000);

/** Numbers below `n`, the same ones for a seed. */
function randomOf(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** Compounds of all operations with arguments that work. */
async function corpusOf(client: NfsClient): Promise<Buffer[]> {
  const root = await rootOf(client);
  const fh = await putFile(client, root, "f", "some content");
  const other = await putFile(client, root, "g", "");
  const { stateid } = await openFile(client, root, "f");
  const second = await openFile(client, root, "g");
  const attributes = encodeAttributes({ mode: 0o640, size: 100n, owner: "5" });
  const owner = { clientid: 0n, owner: Buffer.from("lock owner") };
  const mine = { sa_stateid: stateid, sa_offset: 0, sa_what: 1 };
  const range = { offset: 0n, length: 10n };
  const lists: readonly (readonly Operation[])[] = [
    [putFh(fh), op("GETATTR", { attr_request: ask("type", "size", "fsid", "space_used") })],
    [putFh(root), op("LOOKUP", { objname: nameOf("f") }), op("GETFH"), op("LOOKUPP")],
    [putFh(root), openOperation(client, "f"), op("ACCESS", { access: 63 })],
    [putFh(root), openOperation(client, "n", { create: "UNCHECKED4", attributes: { mode: 1 } })],
    [putFh(root), openOperation(client, "n", { create: "EXCLUSIVE4_1" })],
    [putFh(fh), op("READ", { stateid, offset: 3, count: 20 })],
    [putFh(fh), op("WRITE", { stateid, offset: 1, stable: "FILE_SYNC4", data: [nameOf("xyz")] })],
    [
      putFh(fh),
      op("COMMIT", { offset: 0n, count: 0 }),
      op("SETATTR", {
        stateid,
        obj_attributes: attributes,
      }),
    ],
    [
      putFh(root),
      op("CREATE", {
        objtype: { type: "NF4LNK", linkdata: nameOf("target") },
        objname: nameOf("l"),
        createattrs: encodeAttributes({}),
      }),
    ],
    [putFh(root), op("SAVEFH"), op("RENAME", { oldname: nameOf("l"), newname: nameOf("m") })],
    [putFh(root), op("REMOVE", { target: nameOf("m") }), op("RESTOREFH")],
    [
      putFh(root),
      op("READDIR", {
        cookie: 0n,
        cookieverf: Buffer.alloc(8),
        dircount: 900,
        maxcount: 900,
        attr_request: ask("type", "filehandle", "rdattr_error"),
      }),
    ],
    [
      putFh(fh),
      op("LOCK", {
        locktype: "WRITE_LT",
        reclaim: false,
        ...range,
        locker: {
          new_lock_owner: true,
          open_owner: { open_seqid: 0, open_stateid: stateid, lock_seqid: 0, lock_owner: owner },
        },
      }),
    ],
    [putFh(fh), op("LOCKT", { locktype: "READ_LT", ...range, owner })],
    [putFh(fh), op("VERIFY", { obj_attributes: encodeAttributes({ type: "NF4REG" }) })],
    [putFh(root), op("SECINFO", { name: nameOf("f") })],
    [op("TEST_STATEID", { ts_stateids: [stateid, second.stateid] })],
    [
      putFh(fh),
      op("SEEK", mine),
      op("ALLOCATE", {
        aa_stateid: stateid,
        aa_offset: 0,
        aa_length: 50,
      }),
    ],
    [putFh(fh), op("DEALLOCATE", { da_stateid: stateid, da_offset: 0, da_length: 50 })],
    [putFh(fh), op("READ_PLUS", { rpa_stateid: stateid, rpa_offset: 0, rpa_count: 99 })],
    [
      putFh(fh),
      op("SAVEFH"),
      putFh(other),
      op("COPY", {
        ca_src_stateid: stateid,
        ca_dst_stateid: second.stateid,
        ca_src_offset: 0,
        ca_dst_offset: 5,
        ca_count: 0,
        ca_consecutive: true,
        ca_synchronous: true,
        ca_source_server: [],
      }),
    ],
    [
      putFh(fh),
      op("SETXATTR", {
        sxa_option: "SETXATTR4_EITHER",
        sxa_key: nameOf("key"),
        sxa_value: nameOf("value"),
      }),
    ],
    [putFh(fh), op("LISTXATTRS", { lxa_cookie: 0n, lxa_maxcount: 500 })],
    [putFh(fh), op("GETXATTR", { gxa_name: nameOf("key") })],
  ];
  const corpus: Buffer[] = [];
  for (const list of lists) corpus.push((await client.call(list)).request);
  return corpus;
}

const sequenceAt = 4 + 4 + 4 + 4 + 16;
const operationsAt = sequenceAt + 4 + 4 + 4 + 4;
const words = [0, 1, 2, 3, 4, 9, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff, 10_044, 4096];

/** A request with some of its bytes changed, cut out or doubled; from `from` on. */
function mutated(request: Buffer, from: number, random: (n: number) => number): Buffer {
  let bytes = Buffer.from(request);
  for (let left = 1 + random(4); left > 0; left -= 1) {
    const at = from + random(Math.max(1, bytes.length - from));
    const word = at & ~3;
    switch (random(5)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
      case 2:
        if (word + 4 <= bytes.length) bytes.writeUInt32BE(words[random(words.length)] ?? 0, word);
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      default: {
        const to = at + random(64);
        bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]);
      }
    }
  }
  return bytes;
}

describe("The decoder of compounds", () => {
  for (const seed of [1, freshSeed]) {
    it(`survives mutated requests, and the server with it (seed ${seed})`, async function () {
      this.timeout(0);
      const faults: unknown[] = [];
      const nothing = () => {};
      const log: Log = {
        debug: nothing,
        info: nothing,
        warn: nothing,
        error: (message, fields) => faults.push([message, fields?.["error"]]),
        with: () => log,
      };
      const world = new NfsWorld({ log });
      let client = await world.mount();
      const corpus = await corpusOf(client);
      const random = randomOf(seed);
      let answered = 0;
      const used = () => process.memoryUsage.rss();
      let early = 0;
      for (let count = 0; count < total / 2; count += 1) {
        if (count === Math.min(3000, total / 4)) early = used();
        const chosen = corpus[random(corpus.length)];
        assert.ok(chosen);
        const { session } = client;
        // One in ten has its header damaged, too.
        const bytes = mutated(chosen, random(10) === 0 ? 0 : operationsAt, random);
        if (bytes.length >= operationsAt) {
          Buffer.from(session.sessionId).copy(bytes, sequenceAt - 16);
          bytes.writeUInt32BE((session.sequences[0] ?? 0) + 1, sequenceAt);
          bytes.writeUInt32BE(0, sequenceAt + 4);
        }
        try {
          const { acceptStatus, reader } = await client.rpc(NFS4_PROGRAM.COMPOUND, bytes);
          answered += 1;
          if (acceptStatus !== 0) continue;
          const reply = Buffer.concat(reader.rest());
          const tagBytes = (reply.readUInt32BE(4) + 3) & ~3;
          // Status, tag, number of results, then SEQUENCE with its status.
          const first = 4 + 4 + tagBytes + 4;
          const isExecuted =
            reply.length >= first + 8 &&
            reply.readUInt32BE(first) === 53 &&
            reply.readUInt32BE(first + 4) === 0;
          if (isExecuted) session.sequences[0] = (session.sequences[0] ?? 0) + 1;
        } catch (error) {
          assert.match(String(error), /closed the connection/);
          client = world.reconnect(session);
        }
        assert.deepEqual(faults, [], `compound ${count}: ${bytes.toString("hex")}`);
      }
      const probe = await client.call([op("PUTROOTFH"), op("GETFH")], { slot: 1 });
      assert.equal(probe.status, "NFS4_OK");
      assert.ok(answered > total / 4, `${answered} answers`);
      const grownBytes = used() - early;
      assert.ok(grownBytes < 200 * 2 ** 20, `${grownBytes} bytes more`);
      await world.end();
    });
  }
});
