import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { S3ObjectStore } from "../../src/s3/s3-object-store.ts";
import { objectStoreSuite } from "../contract/object-store.ts";
import { newClient } from "../contract/s3-api-case.ts";
import { startVersitygw } from "../support/versitygw.ts";
import { versitygwObjectStoreDifferences } from "./versitygw-object-store-differences.ts";

async function start() {
  const server = await startVersitygw();
  const client = newClient(server);
  await client.send(new CreateBucketCommand({ Bucket: "bucket" }));
  client.destroy();
  const { endpoint, region } = server;
  const store = new S3ObjectStore(
    { bucket: "bucket", endpoint, region, forcePathStyle: true },
    { credentials: () => Promise.resolve(server), clock: systemClock, log: silentLog },
  );
  const dispose = async (): Promise<void> => {
    await store.close();
    await server[Symbol.asyncDispose]();
  };
  return { store, [Symbol.asyncDispose]: dispose };
}

objectStoreSuite("versitygw over HTTP", start, versitygwObjectStoreDifferences);
