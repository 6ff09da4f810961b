import assert from "node:assert/strict";
import fc from "fast-check";
import { COMPOUND4args_header, COMPOUND4res_header } from "../../../../src/nfs4/wire/compound.ts";
import { nfs_opnum4 } from "../../../../src/nfs4/wire/operation.ts";
import type { Codec } from "../../../../src/xdr/codec.ts";
import { XdrError } from "../../../../src/xdr/error.ts";
import { XdrReader } from "../../../../src/xdr/reader.ts";
import { XdrWriter } from "../../../../src/xdr/writer.ts";
import { operations } from "../../../support/nfs-operations.ts";
import { generate } from "./generating-reader.ts";

const codecs = Object.entries(operations).flatMap(([name, [args, res]]) => [
  { name: `${name}4args`, codec: args as Codec<unknown> },
  { name: `${name}4res`, codec: res as Codec<unknown> },
]);

const all = [
  ...codecs,
  { name: "COMPOUND4args header", codec: COMPOUND4args_header as Codec<unknown> },
  { name: "COMPOUND4res header", codec: COMPOUND4res_header as Codec<unknown> },
];

function encode(codec: Codec<unknown>, value: unknown): Buffer {
  const writer = new XdrWriter();
  codec.encode(writer, value);
  return writer.toBuffer();
}

/** Views of any kind as plain byte arrays. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

describe("the codecs of NFSv4.1 and 4.2", () => {
  it("decode what they encode, for every operation", () => {
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.gen(), ({ name, codec }, gen) => {
        const value = generate(codec, gen, fc);
        const reader = new XdrReader(encode(codec, value));
        assert.deepEqual(plain(codec.decode(reader)), plain(value), name);
        reader.end();
      }),
      { numRuns: 600 },
    );
  });

  it("refuse truncated arguments with an XdrError, for every operation", () => {
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.gen(), fc.nat(), ({ name, codec }, gen, cut) => {
        const bytes = encode(codec, generate(codec, gen, fc));
        fc.pre(bytes.length > 0);
        const reader = new XdrReader(bytes.subarray(0, cut % bytes.length));
        assert.throws(() => codec.decode(reader), XdrError, name);
      }),
      { numRuns: 600 },
    );
  });

  it("have a number for every operation, and every number of both RFCs", () => {
    for (const name of Object.keys(operations)) nfs_opnum4.numberOf(`OP_${name}` as "OP_ACCESS");
    for (let number = 3; number <= 75; number += 1)
      assert.ok(nfs_opnum4.nameOf(number), `${number}`);
    assert.equal(nfs_opnum4.nameOf(2), undefined);
    assert.equal(nfs_opnum4.nameOf(76), undefined);
    assert.equal(nfs_opnum4.nameOf(10044), "OP_ILLEGAL");
  });
});
