/** Severity of a log line, least severe first. */
export const logLevels = ["debug", "info", "warn", "error"] as const;

/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number];

/** Named values of a log line. An `Error` is written as its message, its code, its stack and its causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one JSON object a line, tagged with the component and whatever `with` added. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with `fields` on every line. */
  with(fields: LogFields): Log;
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (!(value instanceof Error)) return value;
  return {
    message: value.message,
    ...("code" in value ? { code: value.code } : {}),
    stack: value.stack,
    ...(value.cause === undefined ? {} : { cause: plain(value.cause) }),
  };
}

/** A log whose lines at or above `level` go to `write`, each with its line feed. */
export function jsonLog(
  options: { readonly level: LogLevel; readonly fields: LogFields },
  write: (line: string) => void,
): Log {
  const least = logLevels.indexOf(options.level);
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (logLevels.indexOf(level) < least) return;
    const line = { time: new Date().toISOString(), level, message, ...options.fields, ...fields };
    write(`${JSON.stringify(line, (_key, value: unknown) => plain(value))}\n`);
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => jsonLog({ ...options, fields: { ...options.fields, ...fields } }, write),
  };
}

/** A log that keeps nothing, for tests. */
export const silentLog: Log = jsonLog({ level: "error", fields: {} }, () => {});
