/**
 * Remembers which keys changed by our own doing while a listing is under way, so that a page which S3 made before
 * the change does not undo it. A touched key touches the prefixes of its directories too.
 */
export class TouchedKeys {
  #sequence = 0;
  #listings = 0;
  readonly #keys = new Map<string, number>();

  /** The moment to compare with: taken before the request is sent. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Counts a listing until the result is disposed of. */
  listing(): Disposable {
    this.#listings += 1;
    return {
      [Symbol.dispose]: () => {
        this.#listings -= 1;
        if (this.#listings === 0) this.#keys.clear();
      },
    };
  }

  /** Says that what is known of `key` has just been changed. */
  touch(key: string): void {
    if (this.#listings === 0) return;
    this.#sequence += 1;
    this.#keys.set(key, this.#sequence);
    for (
      let at = key.lastIndexOf("/", key.length - 2);
      at >= 0;
      at = key.lastIndexOf("/", at - 1)
    ) {
      this.#keys.set(key.slice(0, at + 1), this.#sequence);
      if (at === 0) break;
    }
  }

  /** Whether `key` was touched after the moment `sequence`. */
  isAfter(key: string, sequence: number): boolean {
    return (this.#keys.get(key) ?? 0) > sequence;
  }
}
