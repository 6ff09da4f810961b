import type { WriteCondition } from "../condition.ts";
import { type Context, type S3Request, type S3Response, xmlResponse } from "../context.ts";
import { S3Error } from "../error.ts";
import type { Bucket } from "../model.ts";
import { parseXml, type XmlNode } from "../parse-xml.ts";
import { document, type Element, element, optional } from "../xml.ts";
import { deleteKey } from "./delete-object.ts";

const maxKeys = 1000;

async function deleteOne(bucket: Bucket, object: XmlNode, context: Context): Promise<Element> {
  const key = object.required("Key");
  const versionId = object.text("VersionId");
  const etag = object.text("ETag");
  const condition: WriteCondition =
    etag === undefined ? { kind: "none" } : { kind: "match", etags: etag };
  try {
    const deletion = await deleteKey({ bucket, key, versionId, condition }, context);
    const { deleteMarker } = deletion;
    return element("Deleted", [
      element("Key", key),
      optional("VersionId", versionId),
      deleteMarker ? element("DeleteMarker", true) : undefined,
      deleteMarker ? optional("DeleteMarkerVersionId", deletion.versionId) : undefined,
    ]);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return element("Error", [
      element("Key", key),
      optional("VersionId", versionId),
      element("Code", error.code),
      element("Message", error.message),
    ]);
  }
}

/** DeleteObjects: up to 1,000 keys, each deleted on its own; quiet answers name only the errors. */
export async function deleteObjects(request: S3Request, context: Context): Promise<S3Response> {
  const bucket = context.catalog.bucket(request.bucket);
  if (!request.body.hasDigest) {
    throw new S3Error("InvalidRequest", {
      message: "Missing required header for this request: Content-MD5",
    });
  }
  const root = parseXml(await request.body.readAll(), "Delete");
  const objects = root.all("Object");
  if (objects.length === 0 || objects.length > maxKeys) throw new S3Error("MalformedXML");
  for (const object of objects) object.required("Key");
  const quiet = root.text("Quiet")?.trim() === "true";
  const results: Element[] = [];
  for (const object of objects) {
    const result = await deleteOne(bucket, object, context);
    if (!quiet || result[0] === "Error") results.push(result);
  }
  return xmlResponse(document(element("DeleteResult", results)));
}
