import assert from "node:assert/strict";
import { encodeAttributes } from "../support/nfs-attributes.ts";
import type { NfsClient } from "../support/nfs-client.ts";
import {
  makeDirectory,
  nameOf,
  openOperation,
  putFh,
  putFile,
  rootOf,
  specialStateId,
} from "../support/nfs-files.ts";
import { type ArgsOf, type Operation, op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

const stateid = specialStateId.anonymous;
const x = nameOf("x");
const range = { locktype: "READ_LT", offset: 0n, length: 1n } as const;
const owner = { clientid: 0n, owner: Buffer.from("owner") };
const createattrs = encodeAttributes({});
const objects = ["directory", "symlink", "fifo", "device"] as const;

/** Operations on the current filehandle, and what they say of a directory, a symbolic link, a FIFO and a device. */
const answers: readonly (readonly [name: string, operation: Operation, statuses: string])[] = [
  ["READ", op("READ", { stateid, offset: 0, count: 1 }), "ISDIR SYMLINK WRONG_TYPE WRONG_TYPE"],
  [
    "WRITE",
    op("WRITE", { stateid, offset: 0, stable: "UNSTABLE4", data: [x] }),
    "ISDIR SYMLINK WRONG_TYPE WRONG_TYPE",
  ],
  ["COMMIT", op("COMMIT", { offset: 0n, count: 0 }), "ISDIR SYMLINK WRONG_TYPE WRONG_TYPE"],
  [
    "SETATTR of size",
    op("SETATTR", { stateid, obj_attributes: encodeAttributes({ size: 1n }) }),
    "WRONG_TYPE WRONG_TYPE WRONG_TYPE WRONG_TYPE",
  ],
  ["READLINK", op("READLINK"), "WRONG_TYPE OK WRONG_TYPE WRONG_TYPE"],
  [
    "READDIR",
    op("READDIR", {
      cookie: 0n,
      cookieverf: Buffer.alloc(8),
      dircount: 0,
      maxcount: 4096,
      attr_request: [],
    }),
    "OK NOTDIR NOTDIR NOTDIR",
  ],
  ["LOOKUP", op("LOOKUP", { objname: x }), "NOENT SYMLINK NOTDIR NOTDIR"],
  ["LOOKUPP", op("LOOKUPP"), "OK NOTDIR NOTDIR NOTDIR"],
  ["SECINFO", op("SECINFO", { name: x }), "NOENT NOTDIR NOTDIR NOTDIR"],
  ["SECINFO_NO_NAME", op("SECINFO_NO_NAME", "SECINFO_STYLE4_PARENT"), "OK NOTDIR NOTDIR NOTDIR"],
  ["REMOVE", op("REMOVE", { target: x }), "NOENT NOTDIR NOTDIR NOTDIR"],
  [
    "CREATE",
    op("CREATE", { objtype: { type: "NF4FIFO" }, objname: nameOf("made"), createattrs }),
    "OK NOTDIR NOTDIR NOTDIR",
  ],
  ["LOCKT", op("LOCKT", { ...range, owner }), "ISDIR SYMLINK WRONG_TYPE WRONG_TYPE"],
  [
    "LOCK",
    op("LOCK", {
      ...range,
      reclaim: false,
      locker: { new_lock_owner: false, lock_owner: { lock_stateid: stateid, lock_seqid: 0 } },
    }),
    "ISDIR SYMLINK WRONG_TYPE WRONG_TYPE",
  ],
  [
    "SEEK",
    op("SEEK", { sa_stateid: stateid, sa_offset: 0, sa_what: 0 }),
    "ISDIR SYMLINK WRONG_TYPE WRONG_TYPE",
  ],
  [
    "READ_PLUS",
    op("READ_PLUS", { rpa_stateid: stateid, rpa_offset: 0, rpa_count: 1 }),
    "ISDIR SYMLINK WRONG_TYPE WRONG_TYPE",
  ],
  [
    "IO_ADVISE",
    op("IO_ADVISE", { iaa_stateid: stateid, iaa_offset: 0, iaa_count: 1, iaa_hints: [1] }),
    "ISDIR SYMLINK WRONG_TYPE WRONG_TYPE",
  ],
  [
    "ALLOCATE",
    op("ALLOCATE", { aa_stateid: stateid, aa_offset: 0, aa_length: 1 }),
    "WRONG_TYPE WRONG_TYPE WRONG_TYPE WRONG_TYPE",
  ],
  [
    "DEALLOCATE",
    op("DEALLOCATE", { da_stateid: stateid, da_offset: 0, da_length: 1 }),
    "WRONG_TYPE WRONG_TYPE WRONG_TYPE WRONG_TYPE",
  ],
];

describe("The object that an operation is sent for", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  let handles: readonly Uint8Array[];
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
    const make = async (objtype: ArgsOf<"CREATE">["objtype"]) => {
      const create = op("CREATE", { objtype, objname: nameOf(objtype.type), createattrs });
      const answer = await client.ok([putFh(root), create, op("GETFH")]);
      return Uint8Array.from(answer.ok("GETFH").resok4.object);
    };
    handles = [
      await makeDirectory(client, root, "d"),
      await make({ type: "NF4LNK", linkdata: Buffer.from("d") }),
      await make({ type: "NF4FIFO" }),
      await make({ type: "NF4CHR", devdata: { specdata1: 1, specdata2: 3 } }),
    ];
  });
  afterEach(() => world.end());

  const statusOf = async (...list: readonly Operation[]) =>
    (await client.call(list)).status.replace(/^NFS4(ERR)?_/, "");

  for (const [name, operation, expected] of answers) {
    it(`has its error by its type: ${name}`, async () => {
      for (const [at, status] of expected.split(" ").entries()) {
        const handle = handles[at] ?? root;
        assert.equal(await statusOf(putFh(handle), operation), status, `of the ${objects[at]}`);
      }
    });
  }

  it("has to be there, and to be named", async () => {
    const gone = await putFile(client, root, "gone", "");
    await client.ok([putFh(root), op("REMOVE", { target: nameOf("gone") })]);
    for (const [name, operation] of answers) {
      assert.equal(await statusOf(operation), "NOFILEHANDLE", name);
      assert.equal(await statusOf(putFh(gone), operation), "STALE", name);
    }
    for (const operation of [op("GETFH"), op("SAVEFH"), openOperation(client, "x")]) {
      assert.equal(await statusOf(operation), "NOFILEHANDLE", operation.op);
    }
  });

  it("may go in the middle of a compound", async () => {
    const removed = [putFh(root), op("REMOVE", { target: nameOf("d") })];
    const [directory = root] = handles;
    const getattr = op("GETATTR", { attr_request: [] });
    const list = [putFh(directory), op("SAVEFH"), ...removed, op("RESTOREFH"), getattr];
    assert.equal(await statusOf(...list), "STALE");
  });
});
