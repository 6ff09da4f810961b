/**
 * Percent-encodes UTF-8 as Signature Version 4 wants it: everything but `A-Za-z0-9-._~`.
 * Already checked: `text` is well-formed Unicode.
 */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** A key as it stands in a path: encoded, with every slash left where it is, `//` included. */
export function encodePath(key: string): string {
  return key.split("/").map(uriEncode).join("/");
}

/** A query string in the canonical order, without the question mark; an empty value keeps its `=`. */
export function canonicalQuery(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}
