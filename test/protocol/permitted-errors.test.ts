import assert from "node:assert/strict";
import fc from "fast-check";
import { operations as rows } from "../../src/nfs4/operations.ts";
import { permittedStatus } from "../../src/nfs4/permitted.ts";
import { statusOfFsError } from "../../src/nfs4/status.ts";
import type { stateid4 } from "../../src/nfs4/wire/types.ts";
import { fsErrorCodes } from "../../src/vfs/error.ts";
import { ask, encodeAttributes } from "../support/nfs-attributes.ts";
import { makeDirectory, nameOf, openFile, putFh, putFile, rootOf } from "../support/nfs-files.ts";
import { type Operation, op, statusOf } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

const rowOf = new Map(rows.map((row) => [row.name, row]));

describe("Every operation", () => {
  it("has a permitted answer for every error that a file system can have", () => {
    for (const row of rows) {
      for (const code of fsErrorCodes) {
        const status = permittedStatus(row.errors, statusOfFsError[code]);
        assert.ok(row.errors.has(status), `${row.name}: ${code} is answered with ${status}`);
      }
    }
  });

  it("answers nothing that the tables of RFC 8881 §15.2, RFC 7862 §11.2 and RFC 8276 §8.4.5 do not permit", async () => {
    const world = new NfsWorld();
    const client = await world.mount();
    const root = await rootOf(client);
    const directory = await makeDirectory(client, root, "d");
    await putFile(client, root, "f", "content");
    const file = await openFile(client, root, "f");
    await client.ok([
      putFh(root),
      op("CREATE", {
        objtype: { type: "NF4LNK", linkdata: Buffer.from("f") },
        objname: nameOf("l"),
        createattrs: encodeAttributes({}),
      }),
    ]);
    const handles = [root, directory, file.fh, Buffer.from("no handle")];
    const stateids: readonly stateid4[] = [
      file.stateid,
      { seqid: 0, other: Buffer.alloc(12) },
      { seqid: 1, other: Buffer.alloc(12) },
      { seqid: 0xffff_ffff, other: Buffer.alloc(12, 0xff) },
      { seqid: 3, other: Buffer.alloc(12, 3) },
      { ...file.stateid, seqid: 77 },
    ];
    const name = fc.constantFrom("f", "d", "l", "x", "", ".", "a/b").map(nameOf);
    const stateid = fc.constantFrom(...stateids);
    const attributes = fc
      .constantFrom({}, { mode: 0o600 }, { size: 1n }, { owner: "x" }, { change: 1n })
      .map(encodeAttributes);
    const offset = fc.constantFrom(0n, 5n, 0xffff_ffff_ffff_ffffn);
    const small = fc.constantFrom(0, 4, 7, 1000);
    const owner = { clientid: 0n, owner: Buffer.from("o") };
    const operation: fc.Arbitrary<Operation> = fc.oneof(
      fc.constantFrom(...handles).map((object) => op("PUTFH", { object })),
      fc.constantFrom(
        op("PUTROOTFH"),
        op("SAVEFH"),
        op("RESTOREFH"),
        op("GETFH"),
        op("LOOKUPP"),
        op("READLINK"),
        op("GETATTR", { attr_request: ask("type", "size", "owner") }),
        op("ACCESS", { access: 63 }),
        op("COMMIT", { offset: 0n, count: 0 }),
        op("RECLAIM_COMPLETE", { rca_one_fs: false }),
      ),
      name.map((objname) => op("LOOKUP", { objname })),
      name.map((target) => op("REMOVE", { target })),
      name.map((newname) => op("LINK", { newname })),
      name.map((each) => op("SECINFO", { name: each })),
      fc.tuple(name, name).map(([oldname, newname]) => op("RENAME", { oldname, newname })),
      fc
        .tuple(name, attributes)
        .map(([objname, createattrs]) =>
          op("CREATE", { objtype: { type: "NF4DIR" }, objname, createattrs }),
        ),
      fc
        .tuple(stateid, attributes)
        .map(([each, obj_attributes]) => op("SETATTR", { stateid: each, obj_attributes })),
      attributes.map((obj_attributes) => op("VERIFY", { obj_attributes })),
      stateid.map((each) => op("READ", { stateid: each, offset: 0, count: 10 })),
      stateid.map((each) =>
        op("WRITE", { stateid: each, offset: 1, stable: "FILE_SYNC4", data: [Buffer.from("x")] }),
      ),
      stateid.map((open_stateid) => op("CLOSE", { seqid: 0, open_stateid })),
      stateid.map((fsa_stateid) => op("FREE_STATEID", { fsa_stateid })),
      fc
        .tuple(stateid, fc.nat(4))
        .map(([open_stateid, share_access]) =>
          op("OPEN_DOWNGRADE", { open_stateid, seqid: 0, share_access, share_deny: 0 }),
        ),
      fc.tuple(name, attributes, fc.nat(4), fc.nat(3)).map(([each, createattrs, access, deny]) =>
        op("OPEN", {
          seqid: 0,
          share_access: access,
          share_deny: deny,
          owner,
          openhow: { opentype: "OPEN4_CREATE", how: { mode: "UNCHECKED4", createattrs } },
          claim: { claim: "CLAIM_NULL", file: each },
        }),
      ),
      fc.tuple(stateid, offset, offset).map(([open_stateid, from, length]) =>
        op("LOCK", {
          locktype: "WRITE_LT",
          reclaim: false,
          offset: from,
          length,
          locker: {
            new_lock_owner: true,
            open_owner: { open_seqid: 0, open_stateid, lock_seqid: 0, lock_owner: owner },
          },
        }),
      ),
      fc
        .tuple(stateid, offset, offset)
        .map(([lock_stateid, from, length]) =>
          op("LOCKU", { locktype: "WRITE_LT", seqid: 0, lock_stateid, offset: from, length }),
        ),
      fc
        .tuple(offset, offset)
        .map(([from, length]) => op("LOCKT", { locktype: "READ_LT", offset: from, length, owner })),
      fc
        .tuple(stateid, small, small)
        .map(([each, from, length]) =>
          op("ALLOCATE", { aa_stateid: each, aa_offset: from, aa_length: length }),
        ),
      fc
        .tuple(stateid, small, small)
        .map(([each, from, length]) =>
          op("DEALLOCATE", { da_stateid: each, da_offset: from, da_length: length }),
        ),
      fc
        .tuple(stateid, small, fc.nat(2))
        .map(([each, from, what]) =>
          op("SEEK", { sa_stateid: each, sa_offset: from, sa_what: what }),
        ),
      fc
        .tuple(stateid, small, small)
        .map(([each, from, count]) =>
          op("READ_PLUS", { rpa_stateid: each, rpa_offset: from, rpa_count: count }),
        ),
      fc
        .tuple(stateid, small)
        .map(([each, from]) =>
          op("IO_ADVISE", { iaa_stateid: each, iaa_offset: from, iaa_count: 9, iaa_hints: [3] }),
        ),
      fc.tuple(stateid, stateid, small, small).map(([from, to, at, count]) =>
        op("COPY", {
          ca_src_stateid: from,
          ca_dst_stateid: to,
          ca_src_offset: at,
          ca_dst_offset: 0,
          ca_count: count,
          ca_consecutive: true,
          ca_synchronous: true,
          ca_source_server: [],
        }),
      ),
      name.map((gxa_name) => op("GETXATTR", { gxa_name })),
      name.map((rxa_name) => op("REMOVEXATTR", { rxa_name })),
      fc
        .tuple(
          name,
          fc.constantFrom("SETXATTR4_EITHER", "SETXATTR4_CREATE", "SETXATTR4_REPLACE"),
          fc.constantFrom(0, 3, 5000),
        )
        .map(([sxa_key, sxa_option, length]) =>
          op("SETXATTR", { sxa_option, sxa_key, sxa_value: Buffer.alloc(length) }),
        ),
      fc
        .tuple(offset, small)
        .map(([lxa_cookie, lxa_maxcount]) => op("LISTXATTRS", { lxa_cookie, lxa_maxcount })),
      fc
        .constantFrom("SECINFO_STYLE4_CURRENT_FH", "SECINFO_STYLE4_PARENT")
        .map((style) => op("SECINFO_NO_NAME", style)),
      offset.map((cookie) =>
        op("READDIR", {
          cookie,
          cookieverf: Buffer.alloc(8),
          dircount: 512,
          maxcount: 512,
          attr_request: ask("type"),
        }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 7 }), async (list) => {
        const answer = await client.call(list);
        for (const { op: opName, value } of answer.results) {
          const status = statusOf(value);
          assert.notEqual(status, "NFS4ERR_SERVERFAULT");
          assert.ok(
            status === "NFS4_OK" || rowOf.get(opName)?.errors.has(status),
            `${opName} answered ${status}`,
          );
        }
      }),
      { numRuns: 400 },
    );
    await world.end();
  });
});
