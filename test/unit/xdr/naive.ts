import fc from "fast-check";
import {
  array,
  bool,
  type Codec,
  enumeration,
  fixedOpaque,
  i32,
  i64,
  linkedList,
  offset,
  opaque,
  optional,
  struct,
  text,
  u32,
  u64,
  union,
} from "../../../src/xdr/codec.ts";

/**
 * One XDR type three times over: by the combinators, as random values, and as a naive decoder that takes a
 * hexadecimal string apart from the left, written from RFC 4506 without the code under test.
 */
export interface Shape {
  readonly name: string;
  readonly codec: Codec<unknown>;
  readonly values: fc.Arbitrary<unknown>;
  readonly decode: (text: HexText) => unknown;
}

/** What is left of the hexadecimal digits. */
export class HexText {
  rest: string;

  constructor(rest: string) {
    this.rest = rest;
  }

  take(bytes: number): string {
    const digits = this.rest.slice(0, bytes * 2);
    if (digits.length < bytes * 2) throw new Error("Truncated");
    this.rest = this.rest.slice(bytes * 2);
    return digits;
  }

  unsigned(bytes: number): bigint {
    return BigInt(`0x${this.take(bytes)}`);
  }

  bytes(length: number): string {
    const digits = this.take(length);
    while (this.rest.length % 8 !== 0) {
      if (this.take(1) !== "00") throw new Error("Padding");
    }
    return digits;
  }
}

/** A value with its byte strings as `hex:…`, as the naive decoder gives them. */
export function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return `hex:${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, comparable(each)]),
    );
  }
  return value;
}

const bytesUpTo = (max: number) => fc.uint8Array({ maxLength: max });

const leaves: readonly Shape[] = [
  {
    name: "u32",
    codec: u32,
    values: fc.nat(0xffff_ffff),
    decode: (text) => Number(text.unsigned(4)),
  },
  {
    name: "i32",
    codec: i32,
    values: fc.integer(),
    decode: (text) => Number(BigInt.asIntN(32, text.unsigned(4))),
  },
  {
    name: "u64",
    codec: u64,
    values: fc.bigInt(0n, 2n ** 64n - 1n),
    decode: (text) => text.unsigned(8),
  },
  {
    name: "i64",
    codec: i64,
    values: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
    decode: (text) => BigInt.asIntN(64, text.unsigned(8)),
  },
  {
    name: "offset",
    codec: offset,
    values: fc.maxSafeNat(),
    decode: (text) => Number(text.unsigned(8)),
  },
  { name: "bool", codec: bool, values: fc.boolean(), decode: (text) => text.unsigned(4) === 1n },
  {
    name: "opaque",
    codec: opaque(5000),
    values: fc.oneof(bytesUpTo(9), bytesUpTo(5000)),
    decode: (text) => `hex:${text.bytes(Number(text.unsigned(4)))}`,
  },
  {
    name: "opaque[5]",
    codec: fixedOpaque(5),
    values: fc.uint8Array({ minLength: 5, maxLength: 5 }),
    decode: (text) => `hex:${text.bytes(5)}`,
  },
  {
    name: "string",
    codec: text(),
    values: fc.string({ unit: "grapheme", maxLength: 20 }),
    decode: (hex) => Buffer.from(hex.bytes(Number(hex.unsigned(4))), "hex").toString(),
  },
  {
    name: "enum",
    codec: enumeration({ A: 0, B: 7, C: 10044 }),
    values: fc.constantFrom("A", "B", "C"),
    decode: (text) => ({ 0: "A", 7: "B", 10044: "C" })[Number(text.unsigned(4))],
  },
];

/** Shapes made of other shapes, to the given depth. */
export function shapes(depth: number): fc.Arbitrary<Shape> {
  const leaf = fc.constantFrom(...leaves);
  if (depth === 0) return leaf;
  const inner = shapes(depth - 1);
  return fc.oneof(
    leaf,
    inner.map(arrayOf),
    inner.map(listOf),
    inner.map(optionalOf),
    fc.array(inner, { minLength: 1, maxLength: 4 }).map(structOf),
    fc.tuple(inner, inner).map(([one, other]) => unionOf(one, other)),
  );
}

function arrayOf(inner: Shape): Shape {
  return {
    name: `${inner.name}<>`,
    codec: array(inner.codec),
    values: fc.array(inner.values, { maxLength: 5 }),
    decode: (text) => {
      const count = Number(text.unsigned(4));
      return Array.from({ length: count }, () => inner.decode(text));
    },
  };
}

function listOf(inner: Shape): Shape {
  return {
    name: `list of ${inner.name}`,
    codec: linkedList(inner.codec),
    values: fc.array(inner.values, { maxLength: 5 }),
    decode: (text) => {
      const values: unknown[] = [];
      while (text.unsigned(4) === 1n) values.push(inner.decode(text));
      return values;
    },
  };
}

function optionalOf(inner: Shape): Shape {
  return {
    name: `${inner.name} *`,
    codec: optional(inner.codec),
    values: fc.option(inner.values, { nil: undefined }),
    decode: (text) => (text.unsigned(4) === 1n ? inner.decode(text) : undefined),
  };
}

function structOf(fields: readonly Shape[]): Shape {
  const named = fields.map((shape, at) => [`f${at}`, shape] as const);
  const each = <T>(pick: (shape: Shape) => T) =>
    Object.fromEntries(named.map(([name, shape]) => [name, pick(shape)]));
  return {
    name: `{${fields.map(({ name }) => name).join("; ")}}`,
    codec: struct(each(({ codec }) => codec)),
    values: fc.record(each(({ values }) => values)),
    decode: (text) => each((shape) => shape.decode(text)),
  };
}

function unionOf(one: Shape, other: Shape): Shape {
  const kind = enumeration({ ONE: 1, OTHER: 2, NONE: 3, NEITHER: 4 });
  return {
    name: `union {${one.name}; ${other.name}}`,
    codec: union("kind", kind, { ONE: { one: one.codec }, OTHER: { other: other.codec } }, {}),
    values: fc.oneof(
      fc.record({ kind: fc.constant("ONE"), one: one.values }),
      fc.record({ kind: fc.constant("OTHER"), other: other.values }),
      fc.record({ kind: fc.constantFrom("NONE", "NEITHER") }),
    ),
    decode: (text) => {
      const number = Number(text.unsigned(4));
      if (number === 1) return { kind: "ONE", one: one.decode(text) };
      if (number === 2) return { kind: "OTHER", other: other.decode(text) };
      return { kind: number === 3 ? "NONE" : "NEITHER" };
    },
  };
}
