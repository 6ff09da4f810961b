import assert from "node:assert/strict";
import fc from "fast-check";
import { XdrReader } from "../../../src/xdr/reader.ts";
import { XdrWriter } from "../../../src/xdr/writer.ts";

type Step =
  | { readonly kind: "u32"; readonly value: number }
  | { readonly kind: "opaque"; readonly length: number }
  | { readonly kind: "patch"; readonly at: number; readonly value: number }
  | { readonly kind: "truncate"; readonly to: number }
  | { readonly kind: "buffers" };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("u32" as const), value: fc.nat(0xffff_ffff) }),
    fc.record({
      kind: fc.constant("opaque" as const),
      length: fc.oneof(fc.nat(20), fc.nat(6000)),
    }),
    fc.record({ kind: fc.constant("patch" as const), at: fc.nat(), value: fc.nat(0xffff_ffff) }),
    fc.record({ kind: fc.constant("truncate" as const), to: fc.nat() }),
    fc.record({ kind: fc.constant("buffers" as const) }),
  ),
  { maxLength: 60 },
);

const u32Of = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

describe("XdrWriter", () => {
  it("keeps the same bytes as a plain buffer over writes, patches and truncations", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const writer = new XdrWriter();
        let model = Buffer.alloc(0);
        let words: number[] = [];
        let ends: number[] = [0];
        for (const step of list) {
          if (step.kind === "u32") {
            words.push(model.length);
            writer.u32(step.value);
            model = Buffer.concat([model, u32Of(step.value)]);
          } else if (step.kind === "opaque") {
            const bytes = Buffer.alloc(step.length, 0xa5);
            writer.opaque(bytes);
            const padding = Buffer.alloc(-step.length & 3);
            model = Buffer.concat([model, u32Of(step.length), bytes, padding]);
          } else if (step.kind === "patch") {
            const position = words[step.at % words.length];
            if (position === undefined) continue;
            writer.patchU32(position, step.value);
            model = Buffer.from(model);
            model.writeUInt32BE(step.value, position);
          } else if (step.kind === "truncate") {
            const end = ends[step.to % ends.length] ?? 0;
            writer.truncate(end);
            model = model.subarray(0, end);
            words = words.filter((position) => position < end);
            ends = ends.filter((position) => position <= end);
          } else {
            writer.buffers();
          }
          ends.push(model.length);
          assert.equal(writer.lengthBytes, model.length);
        }
        assert.deepEqual(writer.toBuffer(), model);
        assert.ok(writer.buffers().every(({ length }) => length > 0));
      }),
    );
  });

  it("keeps large byte strings by reference and copies small ones", () => {
    const writer = new XdrWriter();
    const large = Buffer.alloc(4096, 1);
    const small = Buffer.alloc(16, 1);
    writer.opaque(large);
    writer.opaque(small);
    assert.ok(writer.buffers().includes(large));
    small.fill(2);
    assert.deepEqual(writer.toBuffer().subarray(-16), Buffer.alloc(16, 1));
  });

  it("refuses to patch a byte string that it only refers to", () => {
    const writer = new XdrWriter();
    writer.opaque(Buffer.alloc(4096));
    assert.throws(() => writer.patchU32(8, 1));
    assert.throws(() => writer.patchU32(4100, 1));
    assert.throws(() => writer.truncate(4101));
  });
});

describe("XdrReader", () => {
  it("gives byte strings as views, and as a copy only across buffers", () => {
    const bytes = Buffer.from("00000004aabbccdd", "hex");
    assert.equal(new XdrReader(bytes).opaque(4).buffer, bytes.buffer);
    const split = new XdrReader([bytes.subarray(0, 6), bytes.subarray(6)]).opaque(4);
    assert.deepEqual(Buffer.from(split), Buffer.from("aabbccdd", "hex"));
  });

  it("shows what is left without reading it", () => {
    const reader = new XdrReader([Buffer.from("0000000100", "hex"), Buffer.from("000002", "hex")]);
    reader.u32();
    assert.deepEqual(Buffer.concat(reader.rest()), Buffer.from("00000002", "hex"));
    assert.equal(reader.remainingBytes, 4);
    assert.equal(reader.u32(), 2);
    assert.deepEqual(reader.rest(), []);
  });

  it("refuses bytes too many", () => {
    assert.throws(() => new XdrReader(Buffer.alloc(1)).end(), /too many/);
  });
});
