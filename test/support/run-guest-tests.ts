/**
 * Runs mocha test files and writes one JSON line per result; `--list` runs nothing and reports each test as `listed`.
 * Runs inside a guest: test/support/guest-tests.ts reads the lines. Usage: run-guest-tests.ts [--list] <file>...
 */
import Mocha from "mocha";
import "./throw-rejections.ts";

/** Begins each line that is a result; all other lines are what the tests printed. */
export const resultMark = "@result ";

/** One test, or a hook that failed (then its tests have no result of their own). */
export interface GuestTestResult {
  readonly kind: "listed" | "passed" | "failed" | "skipped" | "hookFailed";
  /** Titles from the outermost `describe` to the `it`. */
  readonly path: readonly string[];
  readonly durationMs?: number;
  readonly message?: string;
  readonly stack?: string;
}

function report(result: GuestTestResult): void {
  process.stdout.write(`${resultMark}${JSON.stringify(result)}\n`);
}

class LineReporter extends Mocha.reporters.Base {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const { EVENT_TEST_PASS, EVENT_TEST_FAIL, EVENT_TEST_PENDING } = Mocha.Runner.constants;
    runner.on(EVENT_TEST_PASS, (test) => {
      report({ kind: "passed", path: test.titlePath(), durationMs: test.duration ?? 0 });
    });
    runner.on(EVENT_TEST_PENDING, (test) => report({ kind: "skipped", path: test.titlePath() }));
    runner.on(EVENT_TEST_FAIL, (test, error) => {
      report({
        kind: test.type === "test" ? "failed" : "hookFailed",
        path: test.titlePath(),
        message: error.message,
        stack: error.stack ?? error.message,
      });
    });
  }
}

class ListReporter extends Mocha.reporters.Base {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.on(Mocha.Runner.constants.EVENT_TEST_BEGIN, (test) => {
      report({ kind: "listed", path: test.titlePath() });
    });
  }
}

if (import.meta.main) {
  const files = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const listing = process.argv.includes("--list");
  const mocha = new Mocha({
    reporter: listing ? ListReporter : LineReporter,
    // A fork costs 10 to 20 ms in a guest, and the machine has other work.
    timeout: 60_000,
    dryRun: listing,
    forbidOnly: !listing,
  });
  for (const file of files) mocha.addFile(file);
  await mocha.loadFilesAsync();
  mocha.run((failures) => {
    process.exitCode = failures === 0 ? 0 : 1;
  });
}
