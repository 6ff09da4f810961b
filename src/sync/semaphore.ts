/** Admits work while the sum of its weights stays within a limit; a piece heavier than the limit runs alone. */
export class Semaphore {
  readonly #limit: number;
  #used = 0;
  readonly #waiting: { readonly weight: number; readonly wake: () => void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Runs `work` when there is room for `weight`, in the order of asking. */
  async run<T>(weight: number, work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#fits(weight)) {
      // The one who wakes a waiter counts its weight, so that nobody overtakes it.
      await new Promise<void>((resolve) => this.#waiting.push({ weight, wake: resolve }));
    } else {
      this.#used += weight;
    }
    try {
      return await work();
    } finally {
      this.#used -= weight;
      this.#admit();
    }
  }

  #fits(weight: number): boolean {
    return this.#used === 0 || this.#used + weight <= this.#limit;
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!this.#fits(next.weight)) return;
      this.#waiting.shift();
      this.#used += next.weight;
      next.wake();
    }
  }
}
