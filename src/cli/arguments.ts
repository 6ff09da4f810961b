import { parseArgs } from "node:util";
import type { Config } from "./config.ts";

/** One option of a command, without its dashes. */
export interface OptionSpec {
  /** What the value is, in capitals, as in `--listen HOST:PORT`; absent: the option is a flag. */
  readonly value?: string;
  /** May be given several times. */
  readonly repeated?: true;
  readonly required?: true;
  readonly help: string;
}

/** A sub-command of `s3files`. */
export interface Command {
  /** What follows the command's name, such as `--listen HOST:PORT [options]`. */
  readonly usage: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** How many arguments without dashes there may be; default none. */
  readonly positionals?: { readonly least: number; readonly most: number };
  /** Text below the options. */
  readonly notes?: string;
  /**
   * Does the work and resolves to the exit status. `signal` aborts on SIGTERM and SIGINT: a server then ends
   * cleanly and resolves to 0. @throws {UsageError} {CommandError}; anything else is a bug and shows its stack.
   */
  run(args: Arguments, config: Config, signal: AbortSignal): Promise<number>;
}

/** The command line, the environment or the configuration file is wrong: exit status 2, no stack. */
export class UsageError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "UsageError";
  }
}

/** The command could not do its work for a reason that its user can mend: exit status 1, no stack. */
export class CommandError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "CommandError";
  }
}

/** Options that every command knows. */
export const commonOptions = {
  config: { value: "PATH", help: "configuration file (JSON); default: $S3FILES_CONFIG" },
  "log-level": { value: "LEVEL", help: "debug, info, warn or error; default: info" },
  help: { help: "show this text" },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** Parsed options. A name that the command did not declare is a bug and throws; a bad value is a `UsageError`. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #options: Readonly<Record<string, OptionSpec>>;
  readonly #values: Readonly<Record<string, readonly (string | boolean)[]>>;

  constructor(
    options: Readonly<Record<string, OptionSpec>>,
    parsed: {
      readonly values: Readonly<Record<string, readonly (string | boolean)[]>>;
      readonly positionals: readonly string[];
    },
  ) {
    this.#options = options;
    this.#values = parsed.values;
    this.positionals = parsed.positionals;
  }

  #all(name: string): readonly (string | boolean)[] {
    if (!Object.hasOwn(this.#options, name)) throw new Error(`Undeclared option --${name}`);
    return this.#values[name] ?? [];
  }

  /** Whether the flag was given. */
  flag(name: string): boolean {
    return this.#all(name).length > 0;
  }

  /** The option's value, or undefined. */
  text(name: string): string | undefined {
    const value = this.#all(name).at(-1);
    return value === undefined ? undefined : String(value);
  }

  /** The value of an option that must be given, here or as `fallback` (from the environment). @throws {UsageError} */
  required(name: string, fallback?: string): string {
    const value = this.text(name) ?? fallback;
    if (value === undefined || value === "") throw new UsageError(`--${name} is missing`);
    return value;
  }

  /** All values of a repeated option. */
  list(name: string): readonly string[] {
    return this.#all(name).map(String);
  }

  /** A whole number within the bounds. @throws {UsageError} */
  integer(
    name: string,
    bounds: { readonly least: number; readonly most: number },
  ): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= bounds.least && value <= bounds.most)) {
      throw new UsageError(
        `--${name}: '${text}' is not a whole number from ${bounds.least} to ${bounds.most}`,
      );
    }
    return value;
  }

  /** One of the given words. @throws {UsageError} */
  choice<T extends string>(name: string, words: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = words.find((word) => word === text);
    if (found === undefined) {
      throw new UsageError(`--${name}: '${text}' is none of ${words.join(", ")}`);
    }
    return found;
  }

  /** `host:port`, `[v6]:port` or `port` on 127.0.0.1. @throws {UsageError} */
  address(name: string): { readonly host: string; readonly port: number } | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const match = /^(?:(\[[\da-fA-F:.]+\]|[^\s:[\]/]+):)?(\d{1,5})$/.exec(text);
    const port = Number(match?.[2]);
    if (match === null || port > 65_535) {
      throw new UsageError(`--${name}: '${text}' is not HOST:PORT`);
    }
    return { host: match[1]?.replace(/^\[|\]$/g, "") ?? "127.0.0.1", port };
  }
}

/** Parses what follows a command's name. @throws {UsageError} naming the option. */
export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const options: Readonly<Record<string, OptionSpec>> = { ...commonOptions, ...command.options };
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { value }]) => [
        name,
        { type: value === undefined ? "boolean" : "string" },
      ]),
    ),
    strict: false,
    tokens: true,
  });
  const values: Record<string, (string | boolean)[]> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    const spec = Object.hasOwn(options, name) ? options[name] : undefined;
    if (spec === undefined || !rawName.startsWith("--")) {
      const near = nearest(name, Object.keys(options));
      throw new UsageError(
        `Unknown option ${rawName}${near === undefined ? "" : `; did you mean --${near}?`}`,
      );
    }
    if (spec.value === undefined && value !== undefined) {
      throw new UsageError(`--${name} takes no value`);
    }
    // `--listen --json` has forgotten its value; a value with dashes is given as `--name=--value`.
    const forgotten = value === undefined || (!token.inlineValue && value.startsWith("--"));
    if (spec.value !== undefined && forgotten) {
      throw new UsageError(`--${name} needs a value: --${name} ${spec.value}`);
    }
    const given = values[name] ?? [];
    if (given.length > 0 && spec.repeated === undefined && spec.value !== undefined) {
      throw new UsageError(`--${name} is given twice`);
    }
    values[name] = [...given, value ?? true];
  }
  if (values["help"] === undefined) {
    const { least, most } = command.positionals ?? { least: 0, most: 0 };
    const extra = positionals[most];
    if (extra !== undefined) throw new UsageError(`Unexpected argument '${extra}'`);
    if (positionals.length < least) throw new UsageError("An argument is missing");
    const missing = Object.keys(options).find(
      (name) => options[name]?.required !== undefined && values[name] === undefined,
    );
    if (missing !== undefined) throw new UsageError(`--${missing} is missing`);
  }
  return new Arguments(options, { values, positionals });
}

/** The help text of a command. */
export function helpOf(name: string, summary: string, command: Command): string {
  const options = Object.entries({ ...command.options, ...commonOptions });
  const heads = options.map(([option, spec]: [string, OptionSpec]) =>
    spec.value === undefined ? `--${option}` : `--${option} ${spec.value}`,
  );
  const width = Math.max(...heads.map((head) => head.length));
  const lines = options.map(([, spec]: [string, OptionSpec], at) => {
    const marks = [spec.required && "required", spec.repeated && "may be repeated"].filter(Boolean);
    const tail = marks.length === 0 ? "" : ` (${marks.join(", ")})`;
    return `  ${(heads[at] ?? "").padEnd(width)}  ${spec.help}${tail}`;
  });
  const notes = command.notes === undefined ? "" : `\n${command.notes.trim()}\n`;
  return `s3files ${name}: ${summary}\n\nUsage: s3files ${name} ${command.usage}\n\n${lines.join("\n")}\n${notes}`;
}

/** The candidate that `word` was most likely meant to be, if any is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const scored = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const best = scored[0];
  return best !== undefined && best.distance <= Math.max(1, word.length / 3)
    ? best.candidate
    : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
