import { isIP } from "node:net";
import {
  type Context,
  emptyResponse,
  type S3Request,
  type S3Response,
  xmlResponse,
} from "../context.ts";
import { S3Error } from "../error.ts";
import { isoDate } from "../http-date.ts";
import { parseXml } from "../parse-xml.ts";
import { document, element, optional } from "../xml.ts";

/** Whether S3 allows the name (S3 user guide, "General purpose bucket naming rules"). */
export function isBucketName(name: string): boolean {
  return (
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !name.includes("..") &&
    isIP(name) === 0 &&
    !/^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(name)
  );
}

/** Creates a bucket that does not exist. @throws {S3Error} InvalidBucketName. */
export async function makeBucket(name: string, context: Context): Promise<void> {
  if (!isBucketName(name))
    throw new S3Error("InvalidBucketName", { elements: { BucketName: name } });
  const createdMs = Math.floor(context.nowMs() / 1000) * 1000;
  await context.catalog.saveBucket({ name, createdMs, versioning: "", tags: {} });
}

async function checkLocation(request: S3Request, region: string): Promise<void> {
  const body = await request.body.readAll();
  const constraint =
    body.length === 0
      ? undefined
      : parseXml(body, "CreateBucketConfiguration").text("LocationConstraint");
  // us-east-1 has no location constraint of its own; everywhere else it must be the endpoint's region.
  const allowed = region === "us-east-1" ? [undefined, "", region] : [region];
  if (!allowed.includes(constraint)) {
    throw new S3Error("IllegalLocationConstraintException", {
      message: `The ${constraint ?? "unspecified"} location constraint is incompatible for the region specific endpoint this request was sent to`,
    });
  }
}

/** CreateBucket. Creating one's own bucket again succeeds in us-east-1 only, as AWS documents. */
export async function createBucket(request: S3Request, context: Context): Promise<S3Response> {
  await checkLocation(request, context.region);
  return context.catalog.locked(request.bucket, "", async () => {
    if (context.catalog.findBucket(request.bucket) === undefined) {
      await makeBucket(request.bucket, context);
    } else if (context.region !== "us-east-1") {
      throw new S3Error("BucketAlreadyOwnedByYou", { elements: { BucketName: request.bucket } });
    }
    return emptyResponse(200, { location: `/${request.bucket}` });
  });
}

/** HeadBucket. */
export function headBucket(request: S3Request, context: Context): Promise<S3Response> {
  context.catalog.bucket(request.bucket);
  return Promise.resolve(emptyResponse(200, { "x-amz-bucket-region": context.region }));
}

/** DeleteBucket: refused while any version of any key is left. */
export function deleteBucket(request: S3Request, context: Context): Promise<S3Response> {
  return context.catalog.locked(request.bucket, "", async () => {
    await context.catalog.removeBucket(context.catalog.bucket(request.bucket));
    return emptyResponse(204);
  });
}

/** ListBuckets, in one page unless `max-buckets` asks for less. */
export function listBuckets(request: S3Request, context: Context): Promise<S3Response> {
  const prefix = request.query.get("prefix") ?? "";
  const after = request.query.get("continuation-token") ?? "";
  const most = Number(request.query.get("max-buckets") ?? 10_000);
  if (!Number.isInteger(most) || most < 1 || most > 10_000) throw new S3Error("InvalidArgument");
  const found = context.catalog
    .buckets()
    .map(({ record }) => record)
    .filter(({ name }) => name.startsWith(prefix) && name > after)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const page = found.slice(0, most);
  const buckets = page.map(({ name, createdMs }) =>
    element("Bucket", [
      element("Name", name),
      element("CreationDate", isoDate(createdMs)),
      element("BucketRegion", context.region),
    ]),
  );
  return Promise.resolve(
    xmlResponse(
      document(
        element("ListAllMyBucketsResult", [
          element("Owner", [element("ID", context.ownerId)]),
          element("Buckets", buckets),
          optional("Prefix", prefix === "" ? undefined : prefix),
          optional("ContinuationToken", found.length > most ? page.at(-1)?.name : undefined),
        ]),
      ),
    ),
  );
}

/** GetBucketLocation: empty for us-east-1. */
export function getBucketLocation(request: S3Request, context: Context): Promise<S3Response> {
  context.catalog.bucket(request.bucket);
  const location = context.region === "us-east-1" ? "" : context.region;
  return Promise.resolve(xmlResponse(document(element("LocationConstraint", location))));
}

/** GetBucketVersioning: no Status while it was never set. */
export function getBucketVersioning(request: S3Request, context: Context): Promise<S3Response> {
  const { versioning } = context.catalog.bucket(request.bucket).record;
  const status = optional("Status", versioning === "" ? undefined : versioning);
  return Promise.resolve(xmlResponse(document(element("VersioningConfiguration", [status]))));
}

/** PutBucketVersioning. */
export async function putBucketVersioning(
  request: S3Request,
  context: Context,
): Promise<S3Response> {
  const root = parseXml(await request.body.readAll(), "VersioningConfiguration");
  const status = root.text("Status");
  if (status !== "Enabled" && status !== "Suspended") {
    throw new S3Error("IllegalVersioningConfigurationException");
  }
  return context.catalog.locked(request.bucket, "", async () => {
    const { record } = context.catalog.bucket(request.bucket);
    await context.catalog.saveBucket({ ...record, versioning: status });
    return emptyResponse(200);
  });
}
