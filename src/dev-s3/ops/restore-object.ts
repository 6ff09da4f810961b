import { isArchived } from "../attributes.ts";
import { type Context, emptyResponse, type S3Request, type S3Response } from "../context.ts";
import { S3Error } from "../error.ts";
import type { ContentVersion } from "../model.ts";
import { parseXml } from "../parse-xml.ts";
import { changeVersion } from "./tagging.ts";

const dayMs = 24 * 3600 * 1000;

function restored(
  version: ContentVersion,
  days: number,
  context: Context,
): { version: ContentVersion; result: number } {
  const nowMs = context.nowMs();
  if (!isArchived(version.attributes.storageClass)) {
    throw new S3Error("InvalidObjectState", {
      message: "Restore is not allowed for the object's current storage class",
      elements: { StorageClass: version.attributes.storageClass },
    });
  }
  const { restore } = version;
  if (restore !== undefined && nowMs < restore.readyMs) {
    throw new S3Error("RestoreAlreadyInProgress");
  }
  const again = restore !== undefined && nowMs < restore.expiryMs;
  const readyMs = again ? restore.readyMs : nowMs + context.restoreDelayMs;
  // S3 rounds the end of the restored copy up to the next midnight UTC.
  const expiryMs = Math.ceil((Math.max(nowMs, readyMs) + days * dayMs) / dayMs) * dayMs;
  return { version: { ...version, restore: { readyMs, expiryMs } }, result: again ? 200 : 202 };
}

/** RestoreObject: a readable copy after the server's restore delay; 200 when there is one already. */
export async function restoreObject(request: S3Request, context: Context): Promise<S3Response> {
  const root = parseXml(await request.body.readAll(), "RestoreRequest");
  const days = Number(root.required("Days"));
  if (!Number.isInteger(days) || days < 1) throw new S3Error("MalformedXML");
  const status = await changeVersion(request, context, (version) =>
    restored(version, days, context),
  );
  return emptyResponse(status);
}
