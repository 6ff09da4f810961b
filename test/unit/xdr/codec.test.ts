import assert from "node:assert/strict";
import fc from "fast-check";
import {
  array,
  bool,
  enumeration,
  fixedOpaque,
  offset,
  opaque,
  opaqueChunks,
  optional,
  otherwiseVoid,
  struct,
  type TypeOf,
  text,
  u32,
  u64,
  union,
} from "../../../src/xdr/codec.ts";
import { XdrError } from "../../../src/xdr/error.ts";
import { XdrReader } from "../../../src/xdr/reader.ts";
import { XdrWriter } from "../../../src/xdr/writer.ts";
import { comparable, HexText, shapes } from "./naive.ts";

const samples = shapes(3).chain((shape) =>
  fc.record({ shape: fc.constant(shape), value: shape.values }),
);

/** Cuts bytes into pieces, some of them empty. */
const pieces = (bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] => {
  const at = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].sort(
    (a, b) => a - b,
  );
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
};

function encoded(codec: { encode(writer: XdrWriter, value: never): void }, value: unknown): Buffer {
  const writer = new XdrWriter();
  codec.encode(writer, value as never);
  return writer.toBuffer();
}

const malformed = (error: unknown) => error instanceof XdrError && error.kind === "malformed";
const words = (...numbers: readonly number[]) => {
  const buffer = Buffer.alloc(numbers.length * 4);
  for (const [at, number] of numbers.entries()) buffer.writeUInt32BE(number, at * 4);
  return buffer;
};

describe("XDR combinators", () => {
  it("encode what a naive decoder, written from RFC 4506, reads back", () => {
    fc.assert(
      fc.property(samples, ({ shape, value }) => {
        const hex = new HexText(encoded(shape.codec, value).toString("hex"));
        assert.deepEqual(shape.decode(hex), comparable(value), shape.name);
        assert.equal(hex.rest, "");
      }),
    );
  });

  it("decode their own encoding however it is cut into buffers", () => {
    fc.assert(
      fc.property(samples, fc.array(fc.nat(), { maxLength: 30 }), ({ shape, value }, cuts) => {
        const reader = new XdrReader(pieces(encoded(shape.codec, value), cuts));
        assert.deepEqual(comparable(shape.codec.decode(reader)), comparable(value), shape.name);
        reader.end();
      }),
    );
  });

  it("refuse every truncation with an XdrError", () => {
    fc.assert(
      fc.property(samples, fc.nat(), ({ shape, value }, cut) => {
        const bytes = encoded(shape.codec, value);
        fc.pre(bytes.length > 0);
        const reader = new XdrReader(bytes.subarray(0, cut % bytes.length));
        assert.throws(() => shape.codec.decode(reader), malformed, shape.name);
      }),
    );
  });

  it("answer random bytes with a value or an XdrError", () => {
    fc.assert(
      fc.property(samples, fc.uint8Array({ maxLength: 200 }), ({ shape }, bytes) => {
        try {
          shape.codec.decode(new XdrReader(bytes));
        } catch (error) {
          assert.ok(error instanceof XdrError, String(error));
        }
      }),
    );
  });

  it("give bulk data as the pieces it came in", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9000 }), fc.array(fc.nat()), (bytes, cuts) => {
        const codec = struct({ data: opaqueChunks(9000), after: u32 });
        const whole = encoded(codec, { data: pieces(bytes, cuts), after: 7 });
        assert.deepEqual(
          whole,
          encoded(struct({ data: opaque(), after: u32 }), { data: bytes, after: 7 }),
        );
        const value = codec.decode(new XdrReader(pieces(whole, cuts)));
        assert.deepEqual(Buffer.concat(value.data), Buffer.from(bytes));
        assert.equal(value.after, 7);
        assert.ok(value.data.every(({ length, buffer }) => length > 0 && buffer === whole.buffer));
      }),
    );
  });

  it("refuse an enum value that has no name", () => {
    const codec = enumeration({ A: 1 });
    assert.throws(() => codec.decode(new XdrReader(words(2))), malformed);
    assert.equal(codec.nameOf(2), undefined);
    assert.equal(codec.numberOf("A"), 1);
  });

  it("refuse a union value without an arm, unless there is a default", () => {
    const kind = enumeration({ A: 1, B: 2 });
    const strict = union("kind", kind, { A: { a: u32 } });
    const lenient = union("kind", kind, { A: { a: u32 } }, otherwiseVoid);
    assert.throws(() => strict.decode(new XdrReader(words(2))), malformed);
    assert.deepEqual(lenient.decode(new XdrReader(words(2))), { kind: "B" });
  });

  it("take booleans and numbers as discriminants", () => {
    const byFlag = union("flag", bool, { true: { yes: u32 }, false: { no: u64 } });
    const byNumber = union("flavor", u32, { 6: { six: u32 } }, otherwiseVoid);
    const yes: TypeOf<typeof byFlag> = { flag: true, yes: 5 };
    assert.deepEqual(encoded(byFlag, yes), words(1, 5));
    assert.deepEqual(byFlag.decode(new XdrReader(words(0, 0, 9))), { flag: false, no: 9n });
    assert.deepEqual(byNumber.decode(new XdrReader(words(6, 1))), { flavor: 6, six: 1 });
    assert.deepEqual(byNumber.decode(new XdrReader(words(5))), { flavor: 5 });
  });

  it("refuse an array longer than its limit or than the bytes that follow", () => {
    assert.throws(() => array(u32, 1).decode(new XdrReader(words(2, 0, 0))), malformed);
    assert.throws(() => array(u32).decode(new XdrReader(words(0xffff_ffff, 0))), malformed);
    assert.throws(() => encoded(array(u32, 1), [1, 2]), malformed);
  });

  it("refuse byte strings longer than their limit, in both directions", () => {
    for (const codec of [opaque(4), opaqueChunks(4)]) {
      assert.throws(() => codec.decode(new XdrReader(words(5, 0, 0))), malformed);
    }
    assert.throws(() => encoded(opaque(4), Buffer.alloc(5)), malformed);
    assert.throws(() => encoded(opaqueChunks(4), [Buffer.alloc(3), Buffer.alloc(2)]), malformed);
    assert.throws(() => encoded(text(1), "é"), malformed);
    assert.throws(() => encoded(fixedOpaque(4), Buffer.alloc(3)), malformed);
  });

  it("refuse a boolean that is neither 0 nor 1", () => {
    assert.throws(() => optional(u32).decode(new XdrReader(words(2, 0))), malformed);
  });

  it("call an offset above 2^53−1 too large, not malformed", () => {
    const tooLarge = (error: unknown) => error instanceof XdrError && error.kind === "tooLarge";
    assert.equal(offset.decode(new XdrReader(words(0x1f_ffff, 0xffff_ffff))), 2 ** 53 - 1);
    assert.throws(() => offset.decode(new XdrReader(words(0x20_0000, 0))), tooLarge);
    assert.throws(() => encoded(offset, 2 ** 53), tooLarge);
    assert.throws(() => encoded(offset, -1), tooLarge);
  });

  it("refuse numbers that do not fit", () => {
    assert.throws(() => encoded(u32, -1), malformed);
    assert.throws(() => encoded(u32, 2 ** 32), malformed);
    assert.throws(() => encoded(u32, 0.5), malformed);
    assert.throws(() => encoded(u64, -1n), malformed);
    assert.throws(() => encoded(u64, 2n ** 64n), malformed);
  });
});
