import { CommandError, helpOf, nearest, parseArguments, UsageError } from "./arguments.ts";
import { type CommandRow, commands } from "./commands.ts";
import { loadConfig } from "./config.ts";
import { describeError } from "./describe-error.ts";
import { packageVersion } from "./package-version.ts";

function helpText(): string {
  const names = Object.keys(commands);
  const width = Math.max(...names.map((name) => name.length));
  const lines = Object.entries(commands).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`,
  );
  return [
    "s3files: POSIX files over any S3 bucket",
    "",
    "Usage: s3files COMMAND [options]",
    "",
    ...lines,
    "",
    "`s3files COMMAND --help` shows a command's options, `s3files --version` the version.",
    "",
  ].join("\n");
}

/** Runs the command that `argv` names and resolves to the exit status: 0, 1 failed, 2 called wrongly. */
export async function runCommand(
  argv: readonly string[],
  signal: AbortSignal,
  table: Readonly<Record<string, CommandRow>> = commands,
): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    (name === undefined ? process.stderr : process.stdout).write(helpText());
    return name === undefined ? 2 : 0;
  }
  if (name === "--version") {
    process.stdout.write(`s3files ${packageVersion()}\n`);
    return 0;
  }
  const row = Object.hasOwn(table, name) ? table[name] : undefined;
  if (row === undefined) {
    const near = nearest(name, Object.keys(table));
    const hint = near === undefined ? "see s3files --help" : `did you mean '${near}'?`;
    process.stderr.write(`s3files: unknown command '${name}'; ${hint}\n`);
    return 2;
  }
  const command = await row.load();
  try {
    const args = parseArguments(command, rest);
    if (args.flag("help")) {
      process.stdout.write(helpOf(name, row.summary, command));
      return 0;
    }
    const config = loadConfig({ file: args.text("config"), logLevel: args.text("log-level") });
    return await command.run(args, config, signal);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(
        `s3files ${name}: ${describeError(error)}\nSee s3files ${name} --help\n`,
      );
      return 2;
    }
    const text =
      error instanceof CommandError
        ? describeError(error)
        : error instanceof Error
          ? (error.stack ?? describeError(error))
          : String(error);
    process.stderr.write(`s3files ${name}: ${text}\n`);
    return 1;
  }
}
