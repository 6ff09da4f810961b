import { type Context, emptyResponse, type S3Request, type S3Response } from "../context.ts";

/** AbortMultipartUpload. @throws {S3Error} NoSuchUpload when it is gone already. */
export function abortMultipartUpload(request: S3Request, context: Context): Promise<S3Response> {
  const { catalog } = context;
  const bucket = catalog.bucket(request.bucket);
  const uploadId = request.query.get("uploadId") ?? "";
  return catalog.locked(request.bucket, request.key, async () => {
    await catalog.removeUpload(bucket, catalog.upload(bucket, uploadId, request.key));
    return emptyResponse(204);
  });
}
