import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { startDevS3 } from "../../src/dev-s3/server.ts";
import type { ConnectionOptions } from "../../src/s3/connection.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import { objectStoreSuite } from "./object-store.ts";

async function start(options: Pick<ConnectionOptions, "forcePathStyle" | "checksums">) {
  const server = await startDevS3({ buckets: ["bucket"] });
  const endpoint = options.forcePathStyle ? server.endpoint : `http://localhost:${server.port}`;
  const store = new S3ObjectStore(
    { bucket: "bucket", endpoint, region: server.region, ...options },
    { credentials: () => Promise.resolve(server), clock: systemClock, log: silentLog },
  );
  const dispose = async (): Promise<void> => {
    await store.close();
    await server.close();
  };
  return { store, [Symbol.asyncDispose]: dispose };
}

objectStoreSuite("over HTTP, path style", () => start({ forcePathStyle: true }));

objectStoreSuite("over HTTP, virtual-host style, without checksums", () =>
  start({ forcePathStyle: false, checksums: "off" }),
);
