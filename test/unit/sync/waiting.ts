/** Holds whoever awaits {@link passed} until it is opened. */
export class Gate {
  open: () => void = () => {};
  readonly passed: Promise<void>;

  constructor() {
    this.passed = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}

/** Resolves when `isTrue` is; for what happens in real I/O, which a fake clock does not move. */
export async function until(isTrue: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200_000; turn++) {
    if (isTrue()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`This never came true: ${isTrue}`);
}
