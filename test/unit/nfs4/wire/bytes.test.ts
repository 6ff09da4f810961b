import assert from "node:assert/strict";
import { attributeBitmap, bitmapOf, bitsOf, hasBit } from "../../../../src/nfs4/wire/bitmap.ts";
import { CREATE4args, READDIR4res } from "../../../../src/nfs4/wire/directory.ts";
import { COPY4res, WRITE4args } from "../../../../src/nfs4/wire/io.ts";
import { LOCK4args, LOCK4res } from "../../../../src/nfs4/wire/lock.ts";
import { OPEN4args } from "../../../../src/nfs4/wire/open.ts";
import { SECINFO4res } from "../../../../src/nfs4/wire/security.ts";
import { EXCHANGE_ID4args, SEQUENCE4args } from "../../../../src/nfs4/wire/session.ts";
import { nfsstat4 } from "../../../../src/nfs4/wire/status.ts";
import { settime4 } from "../../../../src/nfs4/wire/types.ts";
import type { Codec } from "../../../../src/xdr/codec.ts";
import { XdrReader } from "../../../../src/xdr/reader.ts";
import { XdrWriter } from "../../../../src/xdr/writer.ts";

/** Byte strings written by hand from RFC 5662 and RFC 7863; white space is for the reader. */
const bytes = (hex: string): Buffer => Buffer.from(hex.replace(/\s+/g, ""), "hex");

function check<T>(codec: Codec<T>, hex: string, value: T): void {
  const writer = new XdrWriter();
  codec.encode(writer, value);
  assert.equal(writer.toBuffer().toString("hex"), bytes(hex).toString("hex"));
  const reader = new XdrReader(bytes(hex));
  const decoded = new XdrWriter();
  codec.encode(decoded, codec.decode(reader));
  reader.end();
  assert.equal(decoded.toBuffer().toString("hex"), bytes(hex).toString("hex"));
}

const stateid = { seqid: 1, other: bytes("0102030405060708090a0b0c") };
const stateidHex = "00000001 0102030405060708090a0b0c";

describe("the bytes of NFSv4.1 and 4.2", () => {
  it("of SEQUENCE", () => {
    check(SEQUENCE4args, `${"ab".repeat(16)} 00000005 00000003 0000003f 00000001`, {
      sa_sessionid: Buffer.alloc(16, 0xab),
      sa_sequenceid: 5,
      sa_slotid: 3,
      sa_highest_slotid: 63,
      sa_cachethis: true,
    });
  });

  it("of EXCHANGE_ID without state protection", () => {
    const hex = `0011223344556677  00000005 4c696e75 78000000  00000101  00000000
      00000001  0000000a 6b65726e 656c2e6f 72670000  00000003 36 2e 31 00  ffffffffffffffff 0000000a`;
    check(EXCHANGE_ID4args, hex, {
      eia_clientowner: { co_verifier: bytes("0011223344556677"), co_ownerid: Buffer.from("Linux") },
      eia_flags: 0x101,
      eia_state_protect: { spa_how: "SP4_NONE" },
      eia_client_impl_id: [
        {
          nii_domain: Buffer.from("kernel.org"),
          nii_name: Buffer.from("6.1"),
          nii_date: { seconds: -1n, nseconds: 10 },
        },
      ],
    });
  });

  it("of an OPEN that creates, as Linux sends it", () => {
    const hex = `00000000 00000003 00000000  00000000 00000009 00000002 abcd0000
      00000001 00000001  00000002 00000010 00000002  0000000c 0000000000000000 000001a4
      00000000 00000001 66000000`;
    check(OPEN4args, hex, {
      seqid: 0,
      share_access: 3,
      share_deny: 0,
      owner: { clientid: 9n, owner: bytes("abcd") },
      openhow: {
        opentype: "OPEN4_CREATE",
        how: {
          mode: "GUARDED4",
          createattrs: {
            attrmask: attributeBitmap("FATTR4_SIZE", "FATTR4_MODE"),
            attr_vals: bytes("0000000000000000 000001a4"),
          },
        },
      },
      claim: { claim: "CLAIM_NULL", file: Buffer.from("f") },
    });
  });

  it("of an OPEN by filehandle", () => {
    check(OPEN4args, `00000000 00000001 00000000 0000000000000009 00000000 00000000 00000004`, {
      seqid: 0,
      share_access: 1,
      share_deny: 0,
      owner: { clientid: 9n, owner: Buffer.alloc(0) },
      openhow: { opentype: "OPEN4_NOCREATE" },
      claim: { claim: "CLAIM_FH" },
    });
  });

  it("of CREATE of a symbolic link and of a directory", () => {
    const rest = { objname: Buffer.from("n"), createattrs: { attrmask: [], attr_vals: bytes("") } };
    const restHex = "00000001 6e000000 00000000 00000000";
    check(CREATE4args, `00000005 00000003 2f746d00 ${restHex}`, {
      objtype: { type: "NF4LNK", linkdata: Buffer.from("/tm") },
      ...rest,
    });
    check(CREATE4args, `00000002 ${restHex}`, { objtype: { type: "NF4DIR" }, ...rest });
  });

  it("of a LOCK by a new owner to the end of the file, and of its refusal", () => {
    const hex = `00000002 00000000 0000000000000001 ffffffffffffffff
      00000001 00000000 ${stateidHex} 00000000 0000000000000009 00000001 61000000`;
    check(LOCK4args, hex, {
      locktype: "WRITE_LT",
      reclaim: false,
      offset: 1n,
      length: 2n ** 64n - 1n,
      locker: {
        new_lock_owner: true,
        open_owner: {
          open_seqid: 0,
          open_stateid: stateid,
          lock_seqid: 0,
          lock_owner: { clientid: 9n, owner: Buffer.from("a") },
        },
      },
    });
    const denied = `0000271a 0000000000000000 0000000000000005 00000001
      0000000000000008 00000001 62000000`;
    check(LOCK4res, denied, {
      status: "NFS4ERR_DENIED",
      denied: {
        offset: 0n,
        length: 5n,
        locktype: "READ_LT",
        owner: { clientid: 8n, owner: Buffer.from("b") },
      },
    });
    check(LOCK4res, "00000046", { status: "NFS4ERR_STALE" });
  });

  it("of READDIR: TRUE before each entry, FALSE after the last", () => {
    const entry = (cookie: string, name: string) =>
      `00000001 00000000000000${cookie} 00000001 ${name}000000 00000001 00100000 00000008 00000000000000${cookie}`;
    const value = (cookie: bigint, name: string) => ({
      cookie,
      name: Buffer.from(name),
      attrs: {
        attrmask: attributeBitmap("FATTR4_FILEID"),
        attr_vals: bytes(`00000000000000${cookie.toString(16).padStart(2, "0")}`),
      },
    });
    const hex = `00000000 ${"00".repeat(8)} ${entry("03", "61")} ${entry("04", "62")} 00000000 00000001`;
    check(READDIR4res, hex, {
      status: "NFS4_OK",
      resok4: {
        cookieverf: Buffer.alloc(8),
        reply: { entries: [value(3n, "a"), value(4n, "b")], eof: true },
      },
    });
  });

  it("of WRITE", () => {
    check(WRITE4args, `${stateidHex} 0000000100000000 00000002 00000005 68656c6c 6f000000`, {
      stateid,
      offset: 2 ** 32,
      stable: "FILE_SYNC4",
      data: [Buffer.from("he"), Buffer.from("llo")],
    });
  });

  it("of COPY that was done at once", () => {
    const hex = "00000000 00000000 0000000000001000 00000000 1122334455667788 00000001 00000001";
    check(COPY4res, hex, {
      cr_status: "NFS4_OK",
      cr_resok4: {
        cr_response: {
          wr_callback_id: [],
          wr_count: 4096,
          wr_committed: "UNSTABLE4",
          wr_writeverf: bytes("1122334455667788"),
        },
        cr_requirements: { cr_consecutive: true, cr_synchronous: true },
      },
    });
  });

  it("of SECINFO and of times to set", () => {
    check(SECINFO4res, "00000000 00000002 00000001 00000000", {
      status: "NFS4_OK",
      resok4: [{ flavor: 1 }, { flavor: 0 }],
    });
    check(settime4, "00000000", { set_it: "SET_TO_SERVER_TIME4" });
    check(settime4, "00000001 0000000000000005 00000006", {
      set_it: "SET_TO_CLIENT_TIME4",
      time: { seconds: 5n, nseconds: 6 },
    });
  });

  it("of the statuses of all three RFCs", () => {
    const numbers = [
      ["NFS4_OK", 0],
      ["NFS4ERR_NAMETOOLONG", 63],
      ["NFS4ERR_BADXDR", 10036],
      ["NFS4ERR_OP_ILLEGAL", 10044],
      ["NFS4ERR_SEQ_FALSE_RETRY", 10076],
      ["NFS4ERR_DELEG_REVOKED", 10087],
      ["NFS4ERR_OFFLOAD_NO_REQS", 10094],
      ["NFS4ERR_XATTR2BIG", 10096],
    ] as const;
    for (const [name, number] of numbers) assert.equal(nfsstat4.numberOf(name), number);
  });
});

describe("bitmaps", () => {
  it("are as short as their highest bit allows", () => {
    assert.deepEqual(bitmapOf([]), []);
    assert.deepEqual(bitmapOf([0, 31, 33]), [0x8000_0001, 2]);
    assert.deepEqual(attributeBitmap("FATTR4_TYPE", "FATTR4_XATTR_SUPPORT"), [2, 0, 0x4_0000]);
  });

  it("give their bits back in ascending order, whatever their length", () => {
    assert.deepEqual(bitsOf([0x8000_0001, 2, 0]), [0, 31, 33]);
    assert.equal(hasBit([0x8000_0000], 31), true);
    assert.equal(hasBit([0x8000_0000], 95), false);
  });
});
