import assert from "node:assert/strict";
import type { S3Client } from "@aws-sdk/client-s3";
import { after, before, describe, it } from "mocha";
import { bucketCases } from "./s3-api-buckets.ts";
import {
  type Difference,
  newBucket,
  newClient,
  type S3ApiCase,
  type S3Server,
} from "./s3-api-case.ts";
import { checksumCases } from "./s3-api-checksums.ts";
import { conditionCases } from "./s3-api-conditions.ts";
import { copyCases } from "./s3-api-copies.ts";
import { listingCases } from "./s3-api-listings.ts";
import { multipartCases } from "./s3-api-multipart.ts";
import { objectCases } from "./s3-api-objects.ts";
import { signatureCases } from "./s3-api-signatures.ts";
import { versioningCases } from "./s3-api-versioning.ts";

/** The cases by topic. */
const topics: Readonly<Record<string, readonly S3ApiCase[]>> = {
  buckets: bucketCases,
  objects: objectCases,
  conditions: conditionCases,
  copies: copyCases,
  "multipart uploads": multipartCases,
  listings: listingCases,
  versioning: versioningCases,
  checksums: checksumCases,
  signatures: signatureCases,
};

/**
 * The contract of the S3 API as AWS documents it, driven through the unmodified SDK. `start` brings up a
 * server with no buckets. A server that departs from AWS names the case, by its title, in `differences`;
 * what it does instead is then asserted under the same title.
 */
export function s3ApiSuite(
  name: string,
  start: () => Promise<S3Server & AsyncDisposable>,
  differences: Readonly<Record<string, Difference>> = {},
): void {
  describe(`S3 API of ${name}`, () => {
    let server: (S3Server & AsyncDisposable) | undefined;
    let client: S3Client | undefined;
    before(async () => {
      server = await start();
      client = newClient(server);
    });
    after(async () => {
      client?.destroy();
      await server?.[Symbol.asyncDispose]();
    });
    const run = (one: Pick<S3ApiCase, "run">) => async (): Promise<void> => {
      assert.ok(server && client);
      const { endpoint, accessKeyId, secretAccessKey, region } = server;
      const bucket = await newBucket(client);
      await one.run({ endpoint, accessKeyId, secretAccessKey, region, client, bucket });
    };
    for (const [topic, cases] of Object.entries(topics)) {
      describe(topic, () => {
        for (const one of cases) {
          const difference = differences[one.title];
          if (difference === undefined) it(one.title, run(one));
          else it(`does not: ${one.title} (${difference.reason})`, run(difference));
        }
      });
    }
    it("differs in known cases only", () => {
      const titles = Object.values(topics).flatMap((cases) => cases.map(({ title }) => title));
      assert.equal(new Set(titles).size, titles.length, "Two cases have one title");
      const unknown = Object.keys(differences).filter((title) => !titles.includes(title));
      assert.deepEqual(unknown, []);
    });
  });
}
