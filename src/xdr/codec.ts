import { XdrError } from "./error.ts";
import type { XdrReader } from "./reader.ts";
import type { XdrWriter } from "./writer.ts";

/** Both directions of one XDR type. Decoded byte strings are views of what was received. */
export interface Codec<T> {
  /** @throws {XdrError} when the value does not fit the type. */
  encode(writer: XdrWriter, value: T): void;
  /** @throws {XdrError} when the bytes are no such value; the reader's position is then undefined. */
  decode(reader: XdrReader): T;
}

/** What a codec's values are in TypeScript. */
export type TypeOf<C> = C extends Codec<infer T> ? T : never;

/** The fields of a struct, in the order of the wire. */
export type Fields = Readonly<Record<string, Codec<unknown>>>;

/** What {@link Fields} are in TypeScript. */
export type FieldsOf<F extends Fields> = { readonly [K in keyof F]: TypeOf<F[K]> };

/** `unsigned int`. */
export const u32: Codec<number> = {
  encode: (writer, value) => writer.u32(value),
  decode: (reader) => reader.u32(),
};

/** `int`. */
export const i32: Codec<number> = {
  encode: (writer, value) => writer.i32(value),
  decode: (reader) => reader.i32(),
};

/** `unsigned hyper`. */
export const u64: Codec<bigint> = {
  encode: (writer, value) => writer.u64(value),
  decode: (reader) => reader.u64(),
};

/** `hyper`. */
export const i64: Codec<bigint> = {
  encode: (writer, value) => writer.i64(value),
  decode: (reader) => reader.i64(),
};

/** `unsigned hyper` for an offset or a size: a number of at most 2^53−1, else an XdrError of kind `tooLarge`. */
export const offset: Codec<number> = {
  encode: (writer, value) => writer.offset(value),
  decode: (reader) => reader.offset(),
};

/**
 * `unsigned hyper` for a place in a file to look at: beyond 2^53−1 it is read as that, which is beyond the end of every
 * file.
 */
export const clampedOffset: Codec<number> = {
  encode: (writer, value) => writer.offset(value),
  decode(reader) {
    const value = reader.u64();
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  },
};

/** `bool`. */
export const bool: Codec<boolean> = {
  encode: (writer, value) => writer.bool(value),
  decode: (reader) => reader.bool(),
};

const noLimit = 0xffff_ffff;

/** `opaque name<maxLength>`, also for strings whose bytes are judged elsewhere. */
export function opaque(maxLength = noLimit): Codec<Uint8Array> {
  return {
    encode(writer, value) {
      checkLength(value.length, maxLength);
      writer.opaque(value);
    },
    decode: (reader) => reader.opaque(maxLength),
  };
}

/** `opaque name[length]`. */
export function fixedOpaque(length: number): Codec<Uint8Array> {
  return {
    encode(writer, value) {
      if (value.length !== length) {
        throw new XdrError("malformed", `${value.length} bytes instead of ${length}`);
      }
      writer.fixed(value);
    },
    decode: (reader) => reader.fixed(length),
  };
}

/** `opaque name<maxLength>` for bulk data: the pieces in which it arrived, without a copy. */
export function opaqueChunks(maxLength = noLimit): Codec<readonly Uint8Array[]> {
  return {
    encode(writer, value) {
      let length = 0;
      for (const piece of value) length += piece.length;
      checkLength(length, maxLength);
      writer.chunks(value);
    },
    decode: (reader) => reader.chunks(maxLength),
  };
}

/** `string name<maxLength>` of UTF-8; bytes that are not become U+FFFD, so not for names of files. */
export function text(maxLength = noLimit): Codec<string> {
  return {
    encode(writer, value) {
      const bytes = Buffer.from(value);
      checkLength(bytes.length, maxLength);
      writer.opaque(bytes);
    },
    decode(reader) {
      const bytes = reader.opaque(maxLength);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
    },
  };
}

/** `T name<maxCount>`. */
export function array<T>(element: Codec<T>, maxCount = noLimit): Codec<readonly T[]> {
  return {
    encode(writer, value) {
      checkLength(value.length, maxCount);
      writer.u32(value.length);
      for (const each of value) element.encode(writer, each);
    },
    decode(reader) {
      const count = reader.count(maxCount);
      const value: T[] = [];
      for (let at = 0; at < count; at += 1) value.push(element.decode(reader));
      return value;
    },
  };
}

/** `T *name`: optional data. */
export function optional<T>(element: Codec<T>): Codec<T | undefined> {
  return {
    encode(writer, value) {
      writer.bool(value !== undefined);
      if (value !== undefined) element.encode(writer, value);
    },
    decode: (reader) => (reader.bool() ? element.decode(reader) : undefined),
  };
}

/** A list of which each element is optional data with the next one at its end (RFC 4506 §4.19), as an array. */
export function linkedList<T>(element: Codec<T>): Codec<readonly T[]> {
  return {
    encode(writer, value) {
      for (const each of value) {
        writer.bool(true);
        element.encode(writer, each);
      }
      writer.bool(false);
    },
    decode(reader) {
      const value: T[] = [];
      while (reader.bool()) value.push(element.decode(reader));
      return value;
    },
  };
}

/** `struct`. */
export function struct<const F extends Fields>(fields: F): Codec<FieldsOf<F>> {
  const inOrder = sequence(fields);
  return {
    encode: (writer, value) => encodeFields(writer, inOrder, value),
    decode(reader) {
      const value: Record<string, unknown> = {};
      decodeFields(reader, inOrder, value);
      return value as FieldsOf<F>;
    },
  };
}

/** An `enum`: its values are the names of the RFC. */
export interface Enumeration<Name extends string> extends Codec<Name> {
  /** The number of a name. */
  numberOf(name: Name): number;
  /** The name of a number, if it has one. */
  nameOf(number: number): Name | undefined;
  /** All names, in the order of the definition. */
  readonly names: readonly Name[];
}

/** `enum`, as a union of string literals. Unknown numbers are malformed. */
export function enumeration<const V extends Readonly<Record<string, number>>>(
  values: V,
): Enumeration<keyof V & string> {
  type Name = keyof V & string;
  const names = Object.keys(values) as Name[];
  const numbers = new Map<Name, number>(Object.entries(values) as [Name, number][]);
  const byNumber = new Map(names.map((name) => [numbers.get(name), name]));
  const numberOf = (name: Name): number => {
    const number = numbers.get(name);
    if (number === undefined) throw new XdrError("malformed", `Unknown name ${name}`);
    return number;
  };
  return {
    names,
    numberOf,
    nameOf: (number) => byNumber.get(number),
    encode: (writer, value) => writer.u32(numberOf(value)),
    decode(reader) {
      const number = reader.u32();
      const name = byNumber.get(number);
      if (name === undefined) throw new XdrError("malformed", `Unknown enum value ${number}`);
      return name;
    },
  };
}

type Discriminant = string | number | boolean;

/** The arms of a union by the value of its discriminant: names, numbers, or `true` and `false`. */
export type Arms<D extends Discriminant> = { readonly [K in `${D}`]?: Fields };

type Literal<D extends Discriminant, K> = D extends Discriminant
  ? `${D}` extends K
    ? D
    : never
  : never;
type Flat<T> = { readonly [K in keyof T]: T[K] };
type ArmOf<N extends string, D, F> = F extends Fields
  ? Flat<{ readonly [K in N]: D } & FieldsOf<F>>
  : never;
type NamedArms<N extends string, D extends Discriminant, A> = {
  [K in keyof A]: ArmOf<N, number extends D ? NumberOf<K> : Literal<D, K>, A[K]>;
}[keyof A];
type NumberOf<K> = K extends number ? K : K extends `${infer V extends number}` ? V : never;
type DefaultArm<N extends string, D extends Discriminant, A, F> = F extends Fields
  ? ArmOf<N, number extends D ? number : Exclude<D, Literal<D, keyof A>>, F>
  : never;

/** What a union is in TypeScript: `{[name]: discriminant, ...fields of its arm}`. */
export type UnionOf<N extends string, D extends Discriminant, A, F> =
  | NamedArms<N, D, A>
  | DefaultArm<N, D, A, F>;

/** `default: void` of a union. */
export const otherwiseVoid = {} as const;

/**
 * `union switch (discriminant name)`: an object of the discriminant and the arm's field under its own name,
 * `{status: "NFS4_OK", resok4: …} | {status: "NFS4ERR_…"}`. Without `otherwise` a value without an arm is malformed.
 */
export function union<
  const N extends string,
  D extends Discriminant,
  const A extends Arms<D>,
  const F extends Fields | undefined = undefined,
>(name: N, discriminant: Codec<D>, arms: A, otherwise?: F): Codec<UnionOf<N, D, A, F>> {
  const byValue = new Map<string, readonly Field[]>();
  for (const [value, fields] of Object.entries(arms))
    byValue.set(value, sequence(fields as Fields));
  const rest = otherwise === undefined ? undefined : sequence(otherwise);
  const armOf = (value: D): readonly Field[] => {
    const arm = byValue.get(`${value}`) ?? rest;
    if (arm === undefined) throw new XdrError("malformed", `No arm for ${name} ${value}`);
    return arm;
  };
  return {
    encode(writer, union) {
      const value = (union as Readonly<Record<string, unknown>>)[name] as D;
      const arm = armOf(value);
      discriminant.encode(writer, value);
      encodeFields(writer, arm, union);
    },
    decode(reader) {
      const value = discriminant.decode(reader);
      const union: Record<string, unknown> = { [name]: value };
      decodeFields(reader, armOf(value), union);
      return union as UnionOf<N, D, A, F>;
    },
  };
}

interface Field {
  readonly name: string;
  readonly codec: Codec<unknown>;
}

function sequence(fields: Fields): readonly Field[] {
  return Object.entries(fields).map(([name, codec]) => ({ name, codec }));
}

function encodeFields(writer: XdrWriter, fields: readonly Field[], value: unknown): void {
  const record = value as Readonly<Record<string, unknown>>;
  for (const { name, codec } of fields) codec.encode(writer, record[name]);
}

function decodeFields(reader: XdrReader, fields: readonly Field[], into: Record<string, unknown>) {
  for (const { name, codec } of fields) into[name] = codec.decode(reader);
}

function checkLength(length: number, max: number): void {
  if (length > max) throw new XdrError("malformed", `Length ${length}, limit ${max}`);
}
