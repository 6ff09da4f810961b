import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDevS3 } from "../../src/dev-s3/server.ts";
import { s3ApiSuite } from "../contract/s3-api.ts";

s3ApiSuite("dev-s3 in memory", () => startDevS3());

s3ApiSuite("dev-s3 in a folder", async () => {
  const directory = await mkdtemp(join(tmpdir(), "dev-s3-"));
  const server = await startDevS3({ directory });
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(directory, { recursive: true });
    },
  };
});
