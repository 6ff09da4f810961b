/** Runs tasks of one key one after the other, in the order asked for; tasks of different keys at the same time. */
export class KeyLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** The result of `task`, which starts when all earlier tasks of `key` have ended. */
  run<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(task);
    const tail = result.then(
      () => undefined,
      () => undefined, // The caller of `task` gets the error.
    );
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }
}
