// S3 stores user metadata as Unicode but carries it in headers. Printable ASCII goes as it is, all else as
// RFC 2047 encoded words, which AWS decodes before it stores and encodes again before it answers.

/** RFC 2047 §2: an encoded word is at most 75 characters; 45 bytes make 60 in base64. */
const maxWordBytes = 45;

function isPlain(value: string): boolean {
  return /^(?:[!-~](?:[ -~]*[!-~])?)?$/.test(value) && !value.includes("=?");
}

/** A metadata value as a header value. Already checked: `value` is well-formed Unicode. */
export function encodeHeaderText(value: string): string {
  if (isPlain(value)) return value;
  const words: string[] = [];
  let word = "";
  for (const character of value) {
    if (Buffer.byteLength(word + character) > maxWordBytes) {
      words.push(word);
      word = "";
    }
    word += character;
  }
  words.push(word);
  return words.map((text) => `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=`).join(" ");
}

/** The Unicode of a header value given as a string of bytes (latin1): UTF-8 where it is that, else Latin-1. */
export function decodeHeaderBytes(bytes: string): string {
  if (Buffer.byteLength(bytes) === bytes.length) return bytes; // All ASCII.
  const utf8 = Buffer.from(bytes, "latin1").toString("utf8");
  return utf8.includes("\ufffd") ? bytes : utf8;
}

function decodeWord(charset: string, encoding: string, text: string): Buffer | undefined {
  if (!/^(?:utf-8|us-ascii)$/i.test(charset)) return undefined;
  if (encoding.toUpperCase() === "B") return Buffer.from(text, "base64");
  const bytes = text
    .replaceAll("_", " ")
    .replace(/=([0-9A-F]{2})/gi, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return Buffer.from(bytes, "latin1");
}

/** A metadata value from a header value: the reverse of {@link encodeHeaderText}; takes raw UTF-8 too. */
export function decodeHeaderText(bytes: string): string {
  const value = decodeHeaderBytes(bytes);
  if (!value.includes("=?")) return value;
  // RFC 2047 §6.2: white space between encoded words is not part of the text.
  const joined = value.replace(/\?=\s+(?==\?)/g, "?=");
  const run = /(?:=\?[^?\s]+\?[BQ]\?[^?\s]*\?=)+/gi;
  return joined.replace(run, (words) => {
    const parts = [...words.matchAll(/=\?([^?\s]+)\?([BQ])\?([^?\s]*)\?=/gi)].map(
      ([, charset = "", encoding = "", text = ""]) => decodeWord(charset, encoding, text),
    );
    if (parts.includes(undefined)) return words;
    // Joined before decoding: a character may be cut between two words.
    return Buffer.concat(parts.filter((part) => part !== undefined)).toString("utf8");
  });
}
