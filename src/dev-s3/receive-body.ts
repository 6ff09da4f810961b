import type { ChecksumAlgorithm } from "./checksum.ts";
import type { Context, S3Request } from "./context.ts";
import { S3Error } from "./error.ts";
import type { Segment } from "./model.ts";
import type { BodyDigest } from "./request-body.ts";

/** A verified body in the blob store; disposed, it lets the blob go unless something else refers to it by then. */
export interface ReceivedBody extends BodyDigest, AsyncDisposable {
  readonly body: readonly Segment[];
}

/** One PUT or one part carries at most 5 GiB. */
export const maxUploadBytes: number = 5 * 1024 ** 3;

/**
 * Stores and verifies a request's body; `compute` names the checksum wanted when the client gave none.
 * @throws {S3Error} EntityTooLarge and what reading the body throws.
 */
export async function receiveBody(
  request: S3Request,
  context: Context,
  compute?: ChecksumAlgorithm,
): Promise<ReceivedBody> {
  const { catalog } = context;
  const { lengthBytes } = request.body;
  if (lengthBytes > maxUploadBytes) {
    throw new S3Error("EntityTooLarge", {
      elements: { ProposedSize: lengthBytes, MaxSizeAllowed: maxUploadBytes },
    });
  }
  await using writer = await catalog.blobs.create(lengthBytes);
  const digest = await request.body.read((piece) => writer.write(piece), compute);
  if (digest.sizeBytes === 0) return { ...digest, body: [], async [Symbol.asyncDispose]() {} };
  const blob = await writer.finish();
  const body = [{ blob, offsetBytes: 0, lengthBytes: digest.sizeBytes }];
  catalog.retain(body);
  return { ...digest, body, [Symbol.asyncDispose]: () => catalog.release(body) };
}
