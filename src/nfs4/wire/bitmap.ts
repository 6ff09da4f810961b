import { type fattr4_name, fattr4_number } from "./attribute.ts";
import type { bitmap4 } from "./types.ts";

/** The shortest bitmap with the bits `numbers`. */
export function bitmapOf(numbers: Iterable<number>): bitmap4 {
  const words: number[] = [];
  for (const number of numbers) {
    const word = number >>> 5;
    while (words.length <= word) words.push(0);
    words[word] = ((words[word] ?? 0) | (1 << (number & 31))) >>> 0;
  }
  return words;
}

/** The shortest bitmap with the bits of the named attributes. */
export function attributeBitmap(...names: readonly fattr4_name[]): bitmap4 {
  return bitmapOf(names.map((name) => fattr4_number[name]));
}

/** The same bits without words of zeros at the end, however many the client sent. */
export function shortest(bitmap: bitmap4): bitmap4 {
  let length = bitmap.length;
  while (length > 0 && bitmap[length - 1] === 0) length -= 1;
  return length === bitmap.length ? bitmap : bitmap.slice(0, length);
}

/** Whether bit `number` is set. */
export function hasBit(bitmap: bitmap4, number: number): boolean {
  return (((bitmap[number >>> 5] ?? 0) >>> (number & 31)) & 1) === 1;
}

/** The numbers of all set bits, in ascending order: the order of attribute values in a `fattr4`. */
export function bitsOf(bitmap: bitmap4): number[] {
  const numbers: number[] = [];
  for (const [at, word] of bitmap.entries()) {
    for (let rest = word; rest !== 0; rest &= rest - 1) {
      numbers.push(at * 32 + 31 - Math.clz32(rest & -rest));
    }
  }
  return numbers;
}
