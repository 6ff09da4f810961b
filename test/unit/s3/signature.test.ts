import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
// biome-ignore lint/correctness/noUndeclaredDependencies: the SDK's own signer comes with it, to agree with
import { SignatureV4 } from "@smithy/signature-v4";
import fc from "fast-check";
import { amzDate, emptyPayloadHash, Signer } from "../../../src/s3/signature.ts";
import { canonicalQuery, encodePath } from "../../../src/s3/uri.ts";

const credentials = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
const timeMs = Date.UTC(2013, 4, 24);
const scope = { region: "us-east-1", service: "s3", timeMs };
const host = "examplebucket.s3.amazonaws.com";

/** The signature of one of the examples in the S3 API reference, "Signature calculations for the header". */
function signatureOf(
  method: string,
  target: { readonly key?: string; readonly query?: Record<string, string> },
  more: Readonly<Record<string, string>>,
  payloadHash = emptyPayloadHash,
): string | undefined {
  const headers = {
    host,
    "x-amz-date": amzDate(timeMs),
    "x-amz-content-sha256": payloadHash,
    ...more,
  };
  const { key = "", query = {} } = target;
  const input = {
    ...{ method, headers, payloadHash },
    path: `/${encodePath(key)}`,
    query: canonicalQuery(query),
  };
  return new Signer().authorization(input, credentials, scope).split("Signature=")[1];
}

class NodeSha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash =
      secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
  reset(): void {
    throw new Error("Not used by the signer");
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

describe("Signer", () => {
  it("signs the API reference's GET of an object", () => {
    assert.equal(
      signatureOf("GET", { key: "test.txt" }, { range: "bytes=0-9" }),
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
  });

  it("signs the API reference's PUT of an object", () => {
    const more = {
      date: "Fri, 24 May 2013 00:00:00 GMT",
      "x-amz-storage-class": "REDUCED_REDUNDANCY",
    };
    const payloadHash = createHash("sha256").update("Welcome to Amazon S3.").digest("hex");
    assert.equal(
      signatureOf("PUT", { key: "test$file.text" }, more, payloadHash),
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
  });

  it("signs the API reference's GET of a lifecycle", () => {
    assert.equal(
      signatureOf("GET", { query: { lifecycle: "" } }, {}),
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
  });

  it("signs the API reference's listing", () => {
    assert.equal(
      signatureOf("GET", { query: { prefix: "J", "max-keys": "2" } }, {}),
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
  });

  it("agrees with the SDK's signer on any key, query and time", async () => {
    const ours = new Signer();
    const part = fc.string({ unit: "grapheme", maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { minLength: 1, maxLength: 4 }),
        part,
        fc.integer({ min: 0, max: 4_000_000_000_000 }),
        fc.option(part, { nil: undefined }),
        async (segments, prefix, at, sessionToken) => {
          const keys = {
            ...credentials,
            ...(sessionToken === undefined
              ? {}
              : { sessionToken: encodeURIComponent(sessionToken) }),
          };
          const path = `/${encodePath(segments.join("/"))}`;
          const query = { prefix, "list-type": "2", delimiter: "/" };
          const headers = {
            host,
            "x-amz-date": amzDate(at),
            "x-amz-content-sha256": emptyPayloadHash,
            "x-amz-meta-a": "two  spaces",
            ...(keys.sessionToken === undefined
              ? {}
              : { "x-amz-security-token": keys.sessionToken }),
          };
          const theirs = new SignatureV4({
            ...{ credentials: keys, region: "eu-north-1", service: "s3" },
            ...{ sha256: NodeSha256, uriEscapePath: false, applyChecksum: true },
          });
          const request = {
            method: "GET",
            protocol: "https:",
            hostname: host,
            path,
            query,
            headers,
          };
          const signed = await theirs.sign(request, { signingDate: new Date(at) });
          const authorization = ours.authorization(
            {
              ...{ method: "GET", path, query: canonicalQuery(query), headers },
              payloadHash: emptyPayloadHash,
            },
            keys,
            { region: "eu-north-1", service: "s3", timeMs: at },
          );
          assert.equal(authorization, signed.headers["authorization"]);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("encodePath", () => {
  it("encodes all but unreserved characters, and leaves every slash and dot where it is", () => {
    assert.equal(encodePath("a b+c%d//./../ü(!)*'~"), "a%20b%2Bc%25d//./../%C3%BC%28%21%29%2A%27~");
  });
});
