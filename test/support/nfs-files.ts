import { share_access4, share_deny4 } from "../../src/nfs4/wire/open.ts";
import type { change_info4, stateid4 } from "../../src/nfs4/wire/types.ts";
import {
  type AttributeName,
  type AttributeValues,
  ask,
  decodeAttributes,
  encodeAttributes,
} from "./nfs-attributes.ts";
import type { CompoundAnswer, NfsClient, SendOptions } from "./nfs-client.ts";
import { type OkOf, type Operation, op } from "./nfs-operations.ts";

/** The special stateids of RFC 8881 §8.2.3. */
export const specialStateId = {
  anonymous: { seqid: 0, other: Buffer.alloc(12, 0) },
  readBypass: { seqid: 0xffff_ffff, other: Buffer.alloc(12, 0xff) },
  current: { seqid: 1, other: Buffer.alloc(12, 0) },
} as const satisfies Readonly<Record<string, stateid4>>;

/** An open file. */
export interface OpenedFile {
  readonly fh: Uint8Array;
  readonly stateid: stateid4;
  readonly cinfo: change_info4;
  readonly answer: CompoundAnswer;
}

/** Sets the current filehandle. */
export const putFh = (fh: Uint8Array): Operation => op("PUTFH", { object: fh });

/** A name for the wire. */
export const nameOf = (name: string): Uint8Array => Buffer.from(name);

/** The filehandle of the root. */
export async function rootOf(client: NfsClient): Promise<Uint8Array> {
  const answer = await client.ok([op("PUTROOTFH"), op("GETFH")]);
  return Uint8Array.from(answer.ok("GETFH").resok4.object);
}

/** The filehandle of an entry. */
export async function lookup(client: NfsClient, directory: Uint8Array, name: string) {
  const list = [putFh(directory), op("LOOKUP", { objname: nameOf(name) }), op("GETFH")];
  return Uint8Array.from((await client.ok(list)).ok("GETFH").resok4.object);
}

/** The OPEN of an entry by name, to be sent after a PUTFH of its directory. */
export function openOperation(
  client: NfsClient,
  name: string,
  options: {
    readonly access?: "READ" | "WRITE" | "BOTH";
    readonly deny?: "NONE" | "READ" | "WRITE" | "BOTH";
    readonly create?: "UNCHECKED4" | "GUARDED4" | "EXCLUSIVE4_1";
    readonly attributes?: AttributeValues;
    readonly verifier?: Uint8Array;
    readonly owner?: string;
  } = {},
): Operation {
  const attributes = encodeAttributes(options.attributes ?? {});
  const { create, access = "BOTH", deny = "NONE", verifier = Buffer.alloc(8, 7) } = options;
  return op("OPEN", {
    seqid: 0,
    share_access: share_access4[`OPEN4_SHARE_ACCESS_${access}`],
    share_deny: share_deny4[`OPEN4_SHARE_DENY_${deny}`],
    owner: {
      clientid: client.session.clientId,
      owner: Buffer.from(options.owner ?? "open owner"),
    },
    openhow:
      create === undefined
        ? { opentype: "OPEN4_NOCREATE" }
        : {
            opentype: "OPEN4_CREATE",
            how:
              create === "EXCLUSIVE4_1"
                ? { mode: create, ch_createboth: { cva_verf: verifier, cva_attrs: attributes } }
                : { mode: create, createattrs: attributes },
          },
    claim: { claim: "CLAIM_NULL", file: nameOf(name) },
  });
}

/** Opens an entry by name, which must succeed. Options as of {@link openOperation}. */
export async function openFile(
  client: NfsClient,
  directory: Uint8Array,
  name: string,
  options: Parameters<typeof openOperation>[2] = {},
  send: SendOptions = {},
): Promise<OpenedFile> {
  const list = [putFh(directory), openOperation(client, name, options), op("GETFH")];
  const answer = await client.ok(list, send);
  const { resok4 } = answer.ok("OPEN");
  const fh = Uint8Array.from(answer.ok("GETFH").resok4.object);
  return { fh, stateid: resok4.stateid, cinfo: resok4.cinfo, answer };
}

/** Makes or truncates a file with the given content and closes it. */
export async function putFile(
  client: NfsClient,
  directory: Uint8Array,
  name: string,
  content: Uint8Array | string,
): Promise<Uint8Array> {
  const attributes = { mode: 0o644, size: 0n };
  const file = await openFile(client, directory, name, { create: "UNCHECKED4", attributes });
  await writeFile(client, file, 0, Buffer.from(content));
  await closeFile(client, file);
  return file.fh;
}

/** WRITE, which must succeed. */
export async function writeFile(
  client: NfsClient,
  file: Pick<OpenedFile, "fh" | "stateid">,
  offset: number,
  data: Uint8Array,
  stable: "UNSTABLE4" | "DATA_SYNC4" | "FILE_SYNC4" = "UNSTABLE4",
): Promise<OkOf<"WRITE">["resok4"]> {
  const write = op("WRITE", { stateid: file.stateid, offset, stable, data: [data] });
  return (await client.ok([putFh(file.fh), write])).ok("WRITE").resok4;
}

/** READ, which must succeed. */
export async function readFile(
  client: NfsClient,
  file: Pick<OpenedFile, "fh" | "stateid">,
  offset: number,
  count: number,
): Promise<{ readonly data: Buffer; readonly eof: boolean }> {
  const read = op("READ", { stateid: file.stateid, offset, count });
  const { data, eof } = (await client.ok([putFh(file.fh), read])).ok("READ").resok4;
  return { data: Buffer.concat(data), eof };
}

/** CLOSE, which must succeed. */
export async function closeFile(
  client: NfsClient,
  file: Pick<OpenedFile, "fh" | "stateid">,
): Promise<void> {
  await client.ok([putFh(file.fh), op("CLOSE", { seqid: 0, open_stateid: file.stateid })]);
}

/** CREATE of a directory in the current one: a second execution would answer EXIST. */
export const mkdir = (name: string, attributes: AttributeValues = { mode: 0o755 }): Operation =>
  op("CREATE", {
    objtype: { type: "NF4DIR" },
    objname: nameOf(name),
    createattrs: encodeAttributes(attributes),
  });

/** CREATE of a directory, which must succeed. */
export async function makeDirectory(
  client: NfsClient,
  directory: Uint8Array,
  name: string,
  attributes?: AttributeValues,
): Promise<Uint8Array> {
  const answer = await client.ok([putFh(directory), mkdir(name, attributes), op("GETFH")]);
  return Uint8Array.from(answer.ok("GETFH").resok4.object);
}

/** The named attributes of a file. */
export async function attributesOf(
  client: NfsClient,
  fh: Uint8Array,
  ...names: readonly AttributeName[]
): Promise<AttributeValues> {
  const answer = await client.ok([putFh(fh), op("GETATTR", { attr_request: ask(...names) })]);
  return decodeAttributes(answer.ok("GETATTR").resok4.obj_attributes);
}

/** All names of a directory, asked for in pages of `maxcount` bytes. */
export async function namesIn(
  client: NfsClient,
  directory: Uint8Array,
  maxcount = 4096,
): Promise<string[]> {
  const names: string[] = [];
  let cookie = 0n;
  let cookieverf: Uint8Array = Buffer.alloc(8);
  for (;;) {
    const readdir = op("READDIR", {
      cookie,
      cookieverf,
      dircount: maxcount,
      maxcount,
      attr_request: ask("fileid"),
    });
    const { resok4 } = (await client.ok([putFh(directory), readdir])).ok("READDIR");
    cookieverf = Uint8Array.from(resok4.cookieverf);
    for (const entry of resok4.reply.entries) {
      names.push(Buffer.from(entry.name).toString());
      cookie = entry.cookie;
    }
    if (resok4.reply.eof) return names;
  }
}
