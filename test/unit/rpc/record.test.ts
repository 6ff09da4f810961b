import assert from "node:assert/strict";
import fc from "fast-check";
import { RecordAssembler, recordMark } from "../../../src/rpc/record.ts";
import { XdrError } from "../../../src/xdr/error.ts";

const limits = { maxRecordBytes: 100_000, maxFragments: 8 };

function fragment(bytes: Uint8Array, isLast: boolean): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(isLast ? recordMark(bytes.length) : bytes.length);
  return Buffer.concat([header, bytes]);
}

function recordsOf(assembler: RecordAssembler): Buffer[] {
  const records: Buffer[] = [];
  for (let record = assembler.next(); record; record = assembler.next()) {
    const bytes = Buffer.concat(record.chunks);
    assert.equal(bytes.length, record.lengthBytes);
    records.push(bytes);
  }
  return records;
}

/** Bytes that the assembler's buffers take, each counted once and whole. */
function pinnedBytes(chunks: readonly Uint8Array[]): number {
  const buffers = new Set(chunks.map(({ buffer }) => buffer));
  return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

describe("RecordAssembler", () => {
  it("finds the same records however they are cut into fragments and reads", () => {
    const record = fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 8 });
    const nonEmpty = record.filter((parts) => parts.some(({ length }) => length > 0));
    fc.assert(
      fc.property(fc.array(nonEmpty), fc.array(fc.nat(), { maxLength: 40 }), (records, cuts) => {
        const stream = Buffer.concat(
          records.flatMap((parts) =>
            parts.map((part, at) => fragment(part, at === parts.length - 1)),
          ),
        );
        const ends = [...cuts.map((cut) => cut % (stream.length + 1)), stream.length];
        const assembler = new RecordAssembler(limits);
        const found: Buffer[] = [];
        let from = 0;
        for (const to of ends.sort((a, b) => a - b)) {
          assembler.push(stream.subarray(from, to));
          from = to;
          found.push(...recordsOf(assembler));
        }
        assert.deepEqual(
          found,
          records.map((parts) => Buffer.concat(parts)),
        );
        assert.equal(assembler.isPartial, false);
      }),
    );
  });

  it("hands large data over as it was received", () => {
    const assembler = new RecordAssembler(limits);
    const whole = Uint8Array.from(fragment(Buffer.alloc(80_000, 1), true));
    const first = whole.slice(0, 40_000);
    const second = whole.slice(40_000);
    assembler.push(first);
    assembler.push(second);
    const chunks = assembler.next()?.chunks ?? [];
    assert.deepEqual(
      chunks.map(({ buffer }) => buffer),
      [first.buffer, second.buffer],
    );
  });

  it("holds a record that trickles in in about its own size and few pieces", () => {
    const assembler = new RecordAssembler(limits);
    const bytes = fragment(Buffer.alloc(60_000, 7), true);
    const last = bytes.length - 1;
    for (let at = 0; at < last; at += 1) {
      // Each byte lies in a large buffer of its own, as it may when it comes from a socket.
      if (at % 600 === 0) assembler.push(Buffer.alloc(65_536, bytes[at]).subarray(0, 1));
      else assembler.push(bytes.subarray(at, at + 1));
      assert.equal(assembler.next(), undefined);
    }
    assembler.push(bytes.subarray(last));
    const record = assembler.next();
    assert.deepEqual(Buffer.concat(record?.chunks ?? []), Buffer.alloc(60_000, 7));
    const own = record?.chunks.slice(0, -1) ?? [];
    assert.ok(own.length < 20, `${own.length} pieces`);
    assert.ok(pinnedBytes(own) < 80_000, `${pinnedBytes(own)} bytes`);
  });

  it("does not keep the buffer of many records for a part of the next", () => {
    const assembler = new RecordAssembler(limits);
    const small = fragment(Buffer.alloc(1000, 3), true);
    const buffer = Buffer.alloc(65_536);
    small.copy(buffer, 60_000);
    assembler.push(buffer.subarray(60_000, 60_500));
    assert.equal(assembler.next(), undefined);
    buffer.fill(9);
    assembler.push(small.subarray(500));
    assert.deepEqual(Buffer.concat(assembler.next()?.chunks ?? []), Buffer.alloc(1000, 3));
  });

  it("refuses a record above its limit at the header, before its data", () => {
    const assembler = new RecordAssembler(limits);
    assembler.push(fragment(Buffer.alloc(60_000), false));
    assert.equal(assembler.next(), undefined);
    assembler.push(fragment(Buffer.alloc(60_000), true).subarray(0, 4));
    assert.throws(() => assembler.next(), XdrError);
  });

  it("refuses more fragments than its limit, empty ones too", () => {
    const assembler = new RecordAssembler(limits);
    for (let at = 0; at < 8; at += 1) assembler.push(fragment(Buffer.alloc(0), false));
    assert.equal(assembler.next(), undefined);
    assembler.push(fragment(Buffer.alloc(4), true));
    assert.throws(() => assembler.next(), XdrError);
  });

  it("refuses an empty record", () => {
    const assembler = new RecordAssembler(limits);
    assembler.push(fragment(Buffer.alloc(0), true));
    assert.throws(() => assembler.next(), XdrError);
  });

  it("knows that a part of a record has come, be it of the header", () => {
    const assembler = new RecordAssembler(limits);
    assert.equal(assembler.isPartial, false);
    assembler.push(Buffer.from([0x80]));
    assembler.next();
    assert.equal(assembler.isPartial, true);
  });
});
