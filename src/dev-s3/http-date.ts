/** The date as HTTP headers carry it: whole seconds. */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** The date as XML documents carry it. */
export function isoDate(ms: number): string {
  return new Date(ms).toISOString();
}

/** Milliseconds of an HTTP date, or undefined when it is none: then a condition on it is ignored (RFC 9110 §13.1.3). */
export function parseHttpDate(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
