/** Undoes one thing at once, without waiting: the process is about to end. Must not throw. */
type Undo = () => void;

const pending = new Set<Undo>();

function undoAll(): void {
  // Newest first: a guest goes before the network namespace that it runs in.
  for (const undo of [...pending].reverse()) undo();
  pending.clear();
}

/**
 * Guarantees that `undo` runs when the test run ends, is interrupted or throws, unless the result is disposed first.
 * A signal ends the process right after: nothing that a test still awaits would come any more.
 */
export function undoWhenAbandoned(undo: Undo): Disposable {
  if (pending.size === 0 && !armed) arm();
  pending.add(undo);
  return { [Symbol.dispose]: () => void pending.delete(undo) };
}

let armed = false;

function arm(): void {
  armed = true;
  process.once("exit", undoAll);
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.prependListener(signal, () => {
      undoAll();
      process.exit(code);
    });
  }
}
