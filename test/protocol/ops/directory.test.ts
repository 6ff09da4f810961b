import assert from "node:assert/strict";
import { ask, decodeAttributes, encodeAttributes } from "../../support/nfs-attributes.ts";
import type { NfsClient } from "../../support/nfs-client.ts";
import {
  attributesOf,
  lookup,
  makeDirectory,
  nameOf,
  namesIn,
  openFile,
  putFh,
  putFile,
  readFile,
  rootOf,
} from "../../support/nfs-files.ts";
import { op } from "../../support/nfs-operations.ts";
import { NfsWorld } from "../../support/nfs-world.ts";

describe("Names and directories", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
  });
  afterEach(() => world.end());

  const create = (
    objtype: Parameters<typeof op<"CREATE">>[1]["objtype"],
    name: string,
    attributes = encodeAttributes({ mode: 0o644 }),
  ) =>
    client.call([
      putFh(root),
      op("CREATE", { objtype, objname: nameOf(name), createattrs: attributes }),
      op("GETFH"),
    ]);
  const rename = (from: Uint8Array, oldname: string, to: Uint8Array, newname: string) =>
    client.call([
      putFh(from),
      op("SAVEFH"),
      putFh(to),
      op("RENAME", { oldname: nameOf(oldname), newname: nameOf(newname) }),
    ]);
  const remove = (name: string, credential = client.credential) =>
    client.call([putFh(root), op("REMOVE", { target: nameOf(name) })], { credential });

  it("are refused when they are empty, too long, reserved or no UTF-8, by every operation that takes one", async () => {
    const names: readonly (readonly [Uint8Array, string])[] = [
      [Buffer.alloc(0), "NFS4ERR_INVAL"],
      [Buffer.alloc(256, "x"), "NFS4ERR_NAMETOOLONG"],
      [Buffer.from("a/b"), "NFS4ERR_BADCHAR"],
      [Buffer.from("a\0b"), "NFS4ERR_BADCHAR"],
      [Buffer.from([0x61, 0xff]), "NFS4ERR_INVAL"],
      [Buffer.from("."), "NFS4ERR_BADNAME"],
      [Buffer.from(".."), "NFS4ERR_BADNAME"],
    ];
    await makeDirectory(client, root, "there");
    const there = nameOf("there");
    for (const [name, status] of names) {
      const operations = [
        [op("LOOKUP", { objname: name })],
        [op("REMOVE", { target: name })],
        [op("SECINFO", { name })],
        [op("SAVEFH"), op("RENAME", { oldname: name, newname: there })],
        [op("SAVEFH"), op("RENAME", { oldname: there, newname: name })],
        [op("SAVEFH"), op("LINK", { newname: name })],
        [
          op("CREATE", {
            objtype: { type: "NF4DIR" },
            objname: name,
            createattrs: encodeAttributes({}),
          }),
        ],
        [
          op("OPEN", {
            seqid: 0,
            share_access: 1,
            share_deny: 0,
            owner: { clientid: 0n, owner: Buffer.from("o") },
            openhow: { opentype: "OPEN4_NOCREATE" },
            claim: { claim: "CLAIM_NULL", file: name },
          }),
        ],
      ];
      for (const list of operations) {
        const answer = await client.call([putFh(root), ...list]);
        assert.equal(answer.status, status, `${list.at(-1)?.op} of ${JSON.stringify(name)}`);
      }
    }
  });

  it("of 255 bytes are kept byte for byte", async () => {
    const name = `${"ä".repeat(127)}x`;
    await putFile(client, root, name, "");
    assert.deepEqual(await namesIn(client, root), [name]);
  });

  it("hold directories, symbolic links, fifos, sockets and device nodes, these made by root only", async () => {
    const symlink = await create({ type: "NF4LNK", linkdata: Buffer.from("../täst") }, "l");
    const fh = symlink.ok("GETFH").resok4.object;
    const link = (await client.ok([putFh(fh), op("READLINK")])).ok("READLINK").resok4.link;
    assert.equal(Buffer.from(link).toString(), "../täst");
    for (const type of ["NF4DIR", "NF4FIFO", "NF4SOCK"] as const) {
      const made = (await create({ type }, type)).ok("GETFH").resok4.object;
      assert.equal((await attributesOf(client, made, "type")).type, type);
    }
    const devdata = { specdata1: 1, specdata2: 3 };
    const open = await makeDirectory(client, root, "open", { mode: 0o777 });
    for (const type of ["NF4BLK", "NF4CHR"] as const) {
      const dev = op("CREATE", {
        objtype: { type, devdata },
        objname: nameOf(type),
        createattrs: encodeAttributes({}),
      });
      const refused = await client.call([putFh(open), dev], { credential: { uid: 9, gid: 9 } });
      assert.equal(refused.status, "NFS4ERR_PERM");
      await client.ok([putFh(root), dev]);
      const device = await lookup(client, root, type);
      assert.deepEqual(await attributesOf(client, device, "type", "rawdev", "size"), {
        type,
        rawdev: devdata,
        size: 0n,
      });
    }
    assert.equal((await create({ type: "NF4REG" }, "reg")).status, "NFS4ERR_BADTYPE");
    assert.equal((await create({ type: "NF4DIR" }, "l")).status, "NFS4ERR_EXIST");
    const directory = await lookup(client, root, "NF4DIR");
    const wrong = await client.call([putFh(directory), op("READLINK")]);
    assert.equal(wrong.status, "NFS4ERR_WRONG_TYPE");
  });

  it("change their directory's change attribute as CREATE, REMOVE, RENAME and OPEN say", async () => {
    const change = async () => (await attributesOf(client, root, "change")).change;
    let before = await change();
    const made = (await create({ type: "NF4DIR" }, "d")).ok("CREATE").resok4;
    assert.deepEqual(made.cinfo, { atomic: true, before, after: await change() });
    before = await change();
    const { cinfo } = await openFile(client, root, "f", { create: "GUARDED4" });
    assert.deepEqual(cinfo, { atomic: true, before, after: await change() });
    before = await change();
    const renamed = (await rename(root, "f", root, "g")).ok("RENAME").resok4;
    assert.deepEqual(renamed.source_cinfo, { atomic: true, before, after: await change() });
    before = await change();
    const removed = (await remove("g")).ok("REMOVE").resok4;
    assert.deepEqual(removed.cinfo, { atomic: true, before, after: await change() });
  });

  it("are moved by RENAME as POSIX says", async () => {
    const a = await makeDirectory(client, root, "a");
    const b = await makeDirectory(client, root, "b");
    await putFile(client, a, "f", "content");
    assert.equal((await rename(a, "f", b, "g")).status, "NFS4_OK");
    assert.deepEqual([await namesIn(client, a), await namesIn(client, b)], [[], ["g"]]);
    assert.equal((await rename(a, "f", b, "h")).status, "NFS4ERR_NOENT");
    assert.equal((await rename(root, "b", b, "inside")).status, "NFS4ERR_INVAL");
    assert.match((await rename(root, "a", root, "b")).status, /NOTEMPTY|EXIST/);
    assert.equal((await rename(b, "g", root, "a")).status, "NFS4ERR_EXIST");
    const unsaved = await client.call([
      putFh(root),
      op("RENAME", { oldname: nameOf("a"), newname: nameOf("c") }),
    ]);
    assert.equal(unsaved.status, "NFS4ERR_NOFILEHANDLE");
  });

  it("are removed by who may, and directories only when empty", async () => {
    const d = await makeDirectory(client, root, "d");
    await putFile(client, d, "f", "");
    assert.equal((await remove("d")).status, "NFS4ERR_NOTEMPTY");
    assert.equal((await remove("x")).status, "NFS4ERR_NOENT");
    assert.equal((await remove("d", { uid: 9, gid: 9 })).status, "NFS4ERR_ACCESS");
    await client.ok([putFh(d), op("REMOVE", { target: nameOf("f") })]);
    assert.equal((await remove("d")).status, "NFS4_OK");
    const gone = await client.call([putFh(d), op("GETATTR", { attr_request: ask("type") })]);
    assert.equal(gone.status, "NFS4ERR_STALE");
  });

  it("with the sticky bit say ACCESS, since REMOVE and RENAME know no PERM", async () => {
    await client.ok([
      putFh(root),
      op("SETATTR", {
        stateid: { seqid: 0, other: Buffer.alloc(12) },
        obj_attributes: encodeAttributes({ mode: 0o1777 }),
      }),
    ]);
    await putFile(client, root, "f", "");
    assert.equal((await remove("f", { uid: 9, gid: 9 })).status, "NFS4ERR_ACCESS");
  });

  it("give a file another name, with every error that RFC 8881 §18.9 has for it", async () => {
    const fh = await putFile(client, root, "f", "content");
    const d = await makeDirectory(client, root, "d");
    const link = (
      source: Uint8Array,
      target: Uint8Array,
      name: string,
      credential = client.credential,
    ) =>
      client.call(
        [
          ...[putFh(source), op("SAVEFH"), putFh(target)],
          op("LINK", { newname: nameOf(name) }),
          op("GETATTR", { attr_request: ask("change") }),
        ],
        { credential },
      );
    const made = await link(fh, d, "g");
    const { before, after, atomic } = made.ok("LINK").resok4.cinfo;
    assert.ok(atomic && after > before);
    assert.equal((await attributesOf(client, d, "change")).change, after);
    assert.equal((await attributesOf(client, fh, "numlinks")).numlinks, 2);
    const found = await client.ok([
      ...[putFh(d), op("LOOKUP", { objname: nameOf("g") }), op("GETFH")],
    ]);
    assert.deepEqual(Buffer.from(found.ok("GETFH").resok4.object), Buffer.from(fh));
    for (const [source, target, name, status] of [
      [d, root, "x", "NFS4ERR_ISDIR"],
      [d, fh, "x", "NFS4ERR_ISDIR"],
      [fh, fh, "x", "NFS4ERR_NOTDIR"],
      [fh, d, "g", "NFS4ERR_EXIST"],
      [fh, root, "f", "NFS4ERR_EXIST"],
      [fh, root, "", "NFS4ERR_INVAL"],
      [fh, root, ".", "NFS4ERR_BADNAME"],
      [fh, root, "a/b", "NFS4ERR_BADCHAR"],
      [fh, root, "x".repeat(256), "NFS4ERR_NAMETOOLONG"],
    ] as const) {
      assert.equal((await link(source, target, name)).status, status, `${status} '${name}'`);
    }
    const alien = await link(fh, d, "x", { uid: 9, gid: 9 });
    assert.equal(alien.status, "NFS4ERR_ACCESS");
    const unsaved = await client.call([putFh(root), op("LINK", { newname: nameOf("x") })]);
    assert.equal(unsaved.status, "NFS4ERR_NOFILEHANDLE");
    await remove("f");
    const still = await client.ok([putFh(d), op("LOOKUP", { objname: nameOf("g") })]);
    assert.equal(still.status, "NFS4_OK");
    assert.equal((await attributesOf(client, fh, "numlinks")).numlinks, 1);
    const values = await attributesOf(client, fh, "maxlink", "link_support");
    assert.deepEqual([values.maxlink, values.link_support], [65_000, true]);
  });

  it("are walked down and up", async () => {
    const d = await makeDirectory(client, root, "d");
    const up = await client.ok([putFh(d), op("LOOKUPP"), op("GETFH")]);
    assert.deepEqual(Buffer.from(up.ok("GETFH").resok4.object), Buffer.from(root));
    const above = await client.call([putFh(root), op("LOOKUPP")]);
    assert.equal(above.status, "NFS4ERR_NOENT");
    const fh = await putFile(client, root, "f", "");
    const look = (from: Uint8Array) =>
      client.call([putFh(from), op("LOOKUP", { objname: nameOf("x") })]);
    assert.equal((await look(fh)).status, "NFS4ERR_NOTDIR");
    const symlink = await create({ type: "NF4LNK", linkdata: Buffer.from("d") }, "l");
    assert.equal((await look(symlink.ok("GETFH").resok4.object)).status, "NFS4ERR_SYMLINK");
    assert.equal((await look(root)).status, "NFS4ERR_NOENT");
  });

  it("are known by filehandles that nobody else can make", async () => {
    const fh = Buffer.from(await putFile(client, root, "f", "x"));
    for (let at = 0; at < fh.length; at += 1) {
      const forged = Buffer.from(fh);
      forged[at] = (forged[at] ?? 0) ^ 1;
      assert.equal((await client.call([putFh(forged)])).status, "NFS4ERR_BADHANDLE", `${at}`);
    }
    assert.equal((await client.call([putFh(Buffer.alloc(0))])).status, "NFS4ERR_BADHANDLE");
    assert.equal((await client.call([op("GETFH")])).status, "NFS4ERR_NOFILEHANDLE");
    assert.equal((await client.call([op("RESTOREFH")])).status, "NFS4ERR_NOFILEHANDLE");
  });

  it("that are gone leave a stale filehandle, which no operation takes", async () => {
    const fh = await putFile(client, root, "f", "x");
    assert.equal((await remove("f")).status, "NFS4_OK");
    const answer = await client.call([putFh(fh), op("GETFH")]);
    assert.equal(answer.statusOf("PUTFH"), "NFS4ERR_STALE");
    world.kill();
    client = world.reconnect(client.session);
    assert.equal((await client.call([putFh(fh)])).status, "NFS4ERR_STALE");
  });

  it("say how to authenticate, and use up the filehandle", async () => {
    await makeDirectory(client, root, "d");
    const named = op("SECINFO", { name: nameOf("d") });
    const answer = await client.call([putFh(root), named, op("GETFH")]);
    assert.deepEqual(answer.ok("SECINFO").resok4, [{ flavor: 1 }, { flavor: 0 }]);
    assert.equal(answer.status, "NFS4ERR_NOFILEHANDLE");
    const style = op("SECINFO_NO_NAME", "SECINFO_STYLE4_CURRENT_FH");
    assert.equal((await client.call([putFh(root), style])).status, "NFS4_OK");
  });

  it("say how to authenticate only to who may look them up", async () => {
    const closed = await makeDirectory(client, root, "closed", { mode: 0o700 });
    await makeDirectory(client, closed, "d");
    const credential = { uid: 1000, gid: 1000 };
    const secinfo = op("SECINFO", { name: nameOf("d") });
    const answer = await client.call([putFh(closed), secinfo], { credential });
    assert.equal(answer.status, "NFS4ERR_ACCESS");
    const parent = op("SECINFO_NO_NAME", "SECINFO_STYLE4_PARENT");
    assert.equal((await client.call([putFh(root), parent])).status, "NFS4ERR_NOENT");
  });

  it("begin at one root, which is the public filehandle too", async () => {
    const answer = await client.ok([op("PUTPUBFH"), op("GETFH")]);
    assert.deepEqual(Uint8Array.from(answer.ok("GETFH").resok4.object), root);
  });

  it("are listed in pages within maxcount, each once, and go on after a removed entry", async () => {
    const names = Array.from({ length: 300 }, (_, at) => `entry ${at}`);
    for (const name of names) await makeDirectory(client, root, name);
    const page = async (cookie: bigint, maxcount: number) => {
      const readdir = op("READDIR", {
        cookie,
        cookieverf: Buffer.alloc(8),
        dircount: maxcount,
        maxcount,
        attr_request: ask("type", "fileid", "mounted_on_fileid", "filehandle", "rdattr_error"),
      });
      return client.call([putFh(root), readdir]);
    };
    const seen: string[] = [];
    let cookie = 0n;
    for (let eof = false; !eof; ) {
      const answer = await page(cookie, 2000);
      const { reply } = answer.ok("READDIR").resok4;
      assert.ok(answer.bytes.length < 2000 + 150);
      for (const entry of reply.entries) {
        assert.ok(entry.cookie > 2n && entry.cookie > cookie);
        cookie = entry.cookie;
        seen.push(Buffer.from(entry.name).toString());
        const attributes = decodeAttributes(entry.attrs);
        assert.equal(attributes.type, "NF4DIR");
        assert.equal(attributes.rdattr_error, "NFS4_OK");
        assert.equal(attributes.fileid, attributes.mounted_on_fileid);
      }
      if (seen.length < 50) {
        const last = seen.at(-1) ?? "";
        await client.ok([putFh(root), op("REMOVE", { target: nameOf(last) })]);
      }
      eof = reply.eof;
    }
    assert.deepEqual(seen, names);
    assert.equal((await page(0n, 100)).status, "NFS4ERR_TOOSMALL");
    assert.equal((await page(1n, 2000)).status, "NFS4ERR_BAD_COOKIE");
    const fh = await putFile(client, root, "f", "");
    const file = await client.call([
      putFh(fh),
      op("READDIR", {
        cookie: 0n,
        cookieverf: Buffer.alloc(8),
        dircount: 0,
        maxcount: 4096,
        attr_request: [],
      }),
    ]);
    assert.equal(file.status, "NFS4ERR_NOTDIR");
  });

  it("are listed by the hint of dircount, and only with the verifier that came with the cookie", async () => {
    for (const name of ["a", "b", "c", "d"]) await makeDirectory(client, root, name);
    const page = async (dircount: number, cookie = 0n, verifier = 0) => {
      const cookieverf = Buffer.alloc(8, verifier);
      const list = { cookie, cookieverf, dircount, maxcount: 4096, attr_request: ask("fileid") };
      return client.call([putFh(root), op("READDIR", list)]);
    };
    // Name and cookie of each take 8 + 4 + 4 bytes.
    for (const [dircount, count] of [
      [0, 4],
      [1, 1],
      [32, 2],
      [47, 2],
      [4096, 4],
    ] as const) {
      const { entries, eof } = (await page(dircount)).ok("READDIR").resok4.reply;
      assert.equal(entries.length, count, `dircount ${dircount}`);
      assert.equal(eof, count === 4);
    }
    const { cookie } = (await page(1)).ok("READDIR").resok4.reply.entries[0] ?? {};
    assert.equal((await page(0, cookie, 9)).status, "NFS4ERR_NOT_SAME");
    assert.equal((await page(0, cookie)).ok("READDIR").resok4.reply.entries.length, 3);
  });

  it("may go while the file is open, whose data stays until CLOSE", async () => {
    await putFile(client, root, "f", "content");
    const file = await openFile(client, root, "f");
    assert.equal((await remove("f")).status, "NFS4_OK");
    assert.equal((await attributesOf(client, file.fh, "numlinks")).numlinks, 0);
    assert.equal((await readFile(client, file, 0, 9)).data.toString(), "content");
  });
});
