import { createHash, createHmac } from "node:crypto";
import type { Credentials } from "./credentials.ts";

/** What Signature Version 4 signs of a request. Path and query are encoded already, the query in canonical order. */
export interface SignedInput {
  readonly method: string;
  /** As sent: S3 neither normalises it nor encodes it twice. */
  readonly path: string;
  readonly query: string;
  /** Lower-case names; each value as a string of bytes (latin1), as it goes onto the wire. `host` is among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Hexadecimal SHA-256 of the body, or {@link unsignedPayload}. */
  readonly payloadHash: string;
}

/** Where and when a signature holds. */
export interface SignatureScope {
  readonly region: string;
  readonly service: string;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
}

/** The payload hash that leaves the body to TLS. */
export const unsignedPayload = "UNSIGNED-PAYLOAD";

/** The SHA-256 of no bytes. */
export const emptyPayloadHash = createHash("sha256").digest("hex");

/** `YYYYMMDDTHHMMSSZ` */
export function amzDate(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

/** The canonical request, as the S3 API reference words it under "Create a canonical request". */
export function canonicalRequest(input: SignedInput): string {
  const names = Object.keys(input.headers).sort();
  const lines = names.map(
    (name) => `${name}:${(input.headers[name] ?? "").trim().replace(/ +/g, " ")}\n`,
  );
  return [
    input.method,
    input.path,
    input.query,
    lines.join(""),
    names.join(";"),
    input.payloadHash,
  ].join("\n");
}

function hmac(key: string | Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** Signs requests; remembers the signing key of the day. */
export class Signer {
  #keyOf = "";
  #key: Buffer = Buffer.alloc(0);

  /** The value of the `Authorization` header. All headers of `input` are signed. */
  authorization(input: SignedInput, credentials: Credentials, scope: SignatureScope): string {
    const date = amzDate(scope.timeMs);
    const scopeText = `${date.slice(0, 8)}/${scope.region}/${scope.service}/aws4_request`;
    const canonicalHash = createHash("sha256")
      // Header values are bytes; everything else is ASCII.
      .update(canonicalRequest(input), "latin1")
      .digest("hex");
    const stringToSign = ["AWS4-HMAC-SHA256", date, scopeText, canonicalHash].join("\n");
    const signature = createHmac("sha256", this.#signingKey(credentials.secretAccessKey, scopeText))
      .update(stringToSign)
      .digest("hex");
    const signedHeaders = Object.keys(input.headers).sort().join(";");
    return `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scopeText}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  }

  #signingKey(secret: string, scopeText: string): Buffer {
    const keyOf = `${scopeText} ${secret}`;
    if (this.#keyOf !== keyOf) {
      const [date = "", region = "", service = "", end = ""] = scopeText.split("/");
      this.#key = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), end);
      this.#keyOf = keyOf;
    }
    return this.#key;
  }
}
