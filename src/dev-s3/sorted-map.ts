/**
 * Orders keys as S3 lists them: by the bytes of their UTF-8 form. UTF-16 order differs from it only
 * where a surrogate meets a unit above the surrogates.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const rank = (unit: number) =>
      unit < 0xd800 ? unit : unit > 0xdfff ? unit - 0x800 : unit + 0x2000;
    return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** A map whose keys can be walked in S3's order. */
export class SortedMap<Value> {
  readonly #values = new Map<string, Value>();
  readonly #keys: string[] = [];

  get size(): number {
    return this.#keys.length;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  values(): IterableIterator<Value> {
    return this.#values.values();
  }

  set(key: string, value: Value): void {
    if (!this.#values.has(key)) {
      this.#keys.splice(
        this.#find((other) => compareKeys(other, key) < 0),
        0,
        key,
      );
    }
    this.#values.set(key, value);
  }

  delete(key: string): void {
    if (!this.#values.delete(key)) return;
    this.#keys.splice(
      this.#find((other) => compareKeys(other, key) < 0),
      1,
    );
  }

  /** The first key at or after `from`. */
  firstFrom(from: string): string | undefined {
    return this.#keys[this.#find((key) => compareKeys(key, from) < 0)];
  }

  /** The first key after `after`. */
  firstAfter(after: string): string | undefined {
    return this.#keys[this.#find((key) => compareKeys(key, after) <= 0)];
  }

  /** The first key that comes after all that start with `prefix`. */
  firstAfterPrefix(prefix: string): string | undefined {
    return this.#keys[this.#find((key) => key.startsWith(prefix) || compareKeys(key, prefix) < 0)];
  }

  /** Index of the first key for which `before` no longer holds. */
  #find(before: (key: string) => boolean): number {
    let low = 0;
    for (let high = this.#keys.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (before(this.#keys[middle] as string)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
