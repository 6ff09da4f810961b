import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { quoteForShell } from "./guest.ts";
import { type GuestTestResult, resultMark } from "./run-guest-tests.ts";
import { bootGuest, type GuestOptions, projectDir, type UmlGuest } from "./uml.ts";

const runner = join(projectDir, "test/support/run-guest-tests.ts");

/** A set of test files to run in one guest. */
export interface GuestSuite {
  readonly title: string;
  /** Below `test/e2e/guest/`. Loading one must not need the guest: what it needs it reads in `before`. */
  readonly files: readonly string[];
  readonly guest: GuestOptions;
  /**
   * Called once the guest runs; the result is the environment of the test files. `NETWORK_NAMESPACE` in it names the one
   * that they run in.
   */
  readonly prepare: (guest: UmlGuest) => Promise<Readonly<Record<string, string>>>;
  /** Called after the last test, with the guest still up; may throw to fail the suite. */
  readonly finish?: (guest: UmlGuest) => Promise<void>;
  /** For all tests together. Default 300,000. */
  readonly timeoutMs?: number;
}

function resultOf(line: string): GuestTestResult | undefined {
  return line.startsWith(resultMark) ? JSON.parse(line.slice(resultMark.length)) : undefined;
}

function listTests(files: readonly string[]): readonly string[][] {
  const output = execFileSync(process.execPath, [runner, "--list", ...files], { encoding: "utf8" });
  const paths = output.split("\n").flatMap((line) => {
    const result = resultOf(line);
    return result === undefined ? [] : [[...result.path]];
  });
  if (paths.length === 0) throw new Error(`No test in ${files.join(", ")}`);
  return paths;
}

class GuestFailure extends Error {
  constructor(result: GuestTestResult, logPath: string) {
    super(result.message ?? "Failed without a message");
    this.stack = `${result.stack ?? this.message}\n    in the guest whose log is ${logPath}`;
  }
}

/** What has come from the guest: a test without a result when the guest is done has failed. */
class Results {
  readonly #waiting = new Map<string, PromiseWithResolvers<GuestTestResult>>();
  readonly #hookFailures: string[] = [];

  of(path: readonly string[]): PromiseWithResolvers<GuestTestResult> {
    const key = JSON.stringify(path);
    let entry = this.#waiting.get(key);
    if (entry === undefined) {
      entry = Promise.withResolvers<GuestTestResult>();
      entry.promise.catch(() => undefined);
      this.#waiting.set(key, entry);
    }
    return entry;
  }

  take(result: GuestTestResult): void {
    if (result.kind === "hookFailed")
      this.#hookFailures.push(`${result.path.join(" ")}: ${result.stack}`);
    else this.of(result.path).resolve(result);
  }

  end(paths: readonly (readonly string[])[], reason: string): void {
    const text = ["No result from the guest", reason, ...this.#hookFailures].join("\n");
    for (const path of paths) this.of(path).reject(new Error(text));
  }
}

interface Node {
  readonly children: Map<string, Node>;
  path: readonly string[] | undefined;
}

/** Defines one host test for each test of the suite's files; a failure carries the guest's message and stack. */
export function defineGuestSuite(suite: GuestSuite): void {
  const files = suite.files.map((file) => join(projectDir, "test/e2e/guest", file));
  const paths = listTests(files);
  const results = new Results();
  let guest: UmlGuest | undefined;

  const start = async (booted: UmlGuest): Promise<void> => {
    const env = await suite.prepare(booted);
    const { NETWORK_NAMESPACE } = env;
    const within = NETWORK_NAMESPACE === undefined ? "" : `nsenter --net=${NETWORK_NAMESPACE} `;
    // 10,000 connections need as many descriptors.
    const command = `ulimit -n 65536; exec ${within}node ${[runner, ...files].map(quoteForShell).join(" ")}`;
    const run = booted.run(command, {
      env,
      timeoutMs: suite.timeoutMs ?? 300_000,
      onLine: (line) => {
        const result = resultOf(line);
        if (result !== undefined) results.take(result);
      },
    });
    run.then(
      ({ code, output }) => results.end(paths, `exit code ${code}\n${tailOf(output)}`),
      (error: unknown) => results.end(paths, String(error)),
    );
  };

  const define = (node: Node): void => {
    for (const [title, child] of node.children) {
      const { path } = child;
      if (path === undefined) {
        describe(title, () => define(child));
        continue;
      }
      it(title, async function () {
        this.timeout(0); // The guest's own limits hold.
        const result = await results.of(path).promise;
        if (result.kind === "skipped") this.skip();
        if (result.kind === "failed") throw new GuestFailure(result, guest?.logPath ?? "");
      });
    }
  };

  describe(suite.title, () => {
    before(async function () {
      this.timeout(180_000);
      guest = await bootGuest(suite.guest);
      await start(guest);
    });
    define(treeOf(paths));
    after(async function () {
      this.timeout(120_000);
      try {
        if (guest !== undefined) await suite.finish?.(guest);
      } finally {
        await guest?.shutdown();
      }
    });
  });
}

function tailOf(output: string): string {
  return output
    .split("\n")
    .filter((line) => !line.startsWith(resultMark))
    .slice(-20)
    .join("\n");
}

function treeOf(paths: readonly (readonly string[])[]): Node {
  const root: Node = { children: new Map(), path: undefined };
  for (const path of paths) {
    let node = root;
    for (const title of path) {
      let child = node.children.get(title);
      if (child === undefined) {
        child = { children: new Map(), path: undefined };
        node.children.set(title, child);
      }
      node = child;
    }
    if (node.path !== undefined) throw new Error(`Two tests are called '${path.join(" ")}'`);
    node.path = path;
  }
  return root;
}
