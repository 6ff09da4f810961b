/**
 * A signal that aborts on the first SIGTERM or SIGINT, with the name of what came as its reason's message. A
 * second one ends the process at once, with the status a shell expects. Called once a process, by `main.ts`.
 */
export function shutdownSignal(): AbortSignal {
  const ending = new AbortController();
  const numbers = { SIGTERM: 15, SIGINT: 2 } as const;
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (ending.signal.aborted) process.exit(128 + numbers[name]);
      ending.abort(new Error(`Ended by ${name}`));
    });
  }
  return ending.signal;
}

/** Resolves when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
