/** One holder at a time for each key, in the order of asking. */
export class KeyedLocks<Key> {
  readonly #tails = new Map<Key, Promise<void>>();

  /** Resolves with the lock, to be held with `using`. */
  async acquire(key: Key): Promise<Disposable> {
    const before = this.#tails.get(key);
    let release = (): void => {};
    const tail = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#tails.set(key, tail);
    await before;
    return {
      [Symbol.dispose]: () => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
        release();
      },
    };
  }
}
