import {
  CreateBucketCommand,
  type CreateBucketCommandInput,
  DeleteBucketCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import {
  BucketControlError,
  type SdkFailure,
  sdkFailure,
  toBucketControlError,
} from "./bucket-control-error.ts";
import type { CredentialsProvider } from "./credentials.ts";
import { decodeKey, emptyPrefix, orNotImplemented } from "./empty-prefix.ts";
import { awsEndpoint } from "./endpoint.ts";
import { lookupHost } from "./lookup-host.ts";

/** A store as the control plane reaches it. */
export interface BucketControlOptions {
  /** Absent: AWS. */
  readonly endpoint?: string;
  readonly region: string;
  readonly forcePathStyle: boolean;
  /** PEM certificates to trust instead of the public ones. */
  readonly caBundle?: string;
  /** Attempts of a request, default 3. */
  readonly maxAttempts?: number;
}

/** Outcome of reading a small document. */
export type DocumentOutcome =
  | { readonly kind: "found"; readonly text: string; readonly etag: string }
  | { readonly kind: "notFound" }
  | { readonly kind: "noSuchBucket" };

const maxDocumentBytes = 64 * 1024;

function isConditionFailure({ s3Code, status }: SdkFailure, expectsObject: boolean): boolean {
  return (
    status === 412 ||
    s3Code === "ConditionalRequestConflict" ||
    (expectsObject && s3Code === "NoSuchKey")
  );
}

/**
 * Buckets and small documents of one store, through the AWS SDK: for what is rare. Requests are retried inside, a
 * conditional write with care. All methods reject with {@link BucketControlError}, or with the signal's reason
 * when it aborts.
 */
export class BucketControl {
  readonly #client: S3Client;
  readonly #region: string;
  readonly #endpoint: string;

  constructor(
    options: BucketControlOptions,
    dependencies: { readonly credentials: CredentialsProvider },
  ) {
    const { endpoint, region, forcePathStyle, caBundle } = options;
    const agent = { keepAlive: true, lookup: lookupHost };
    this.#region = region;
    this.#endpoint = endpoint ?? awsEndpoint(region);
    this.#client = new S3Client({
      ...{ region, forcePathStyle, maxAttempts: options.maxAttempts ?? 3 },
      ...(endpoint === undefined ? {} : { endpoint }),
      credentials: async () => {
        const { accessKeyId, secretAccessKey, sessionToken } = await dependencies.credentials();
        return {
          ...{ accessKeyId, secretAccessKey },
          ...(sessionToken === undefined ? {} : { sessionToken }),
          // The SDK keeps what does not expire for ever; ours may change at any time and caches for itself.
          expiration: new Date(Date.now() + 1000),
        };
      },
      // Many stores know no checksums beyond the required ones.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      requestHandler: {
        connectionTimeout: 5000,
        requestTimeout: 60_000,
        throwOnRequestTimeout: true,
        httpAgent: agent,
        httpsAgent: caBundle === undefined ? agent : { ...agent, ca: caBundle },
      },
    });
  }

  /** Ends all connections. */
  close(): void {
    this.#client.destroy();
  }

  /** `denied`: it exists, and these credentials may not see it, often because another account has it. */
  async headBucket(bucket: string, signal: AbortSignal): Promise<"found" | "missing" | "denied"> {
    return await this.#run("HeadBucket", { bucket }, signal, async (abortSignal) => {
      try {
        await this.#client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal });
        return "found";
      } catch (error) {
        const { status } = sdkFailure(error);
        if (status === 404) return "missing";
        if (status === 403) return "denied";
        throw error;
      }
    });
  }

  /** `exists`: it was there before and these credentials may use it. `taken`: another account has the name. */
  async createBucket(bucket: string, signal: AbortSignal): Promise<"created" | "exists" | "taken"> {
    // AWS answers 200 in us-east-1 when the account already has the bucket: asked first, so that nobody takes an
    // existing bucket for a new one.
    const before = await this.headBucket(bucket, signal);
    if (before === "found") return "exists";
    const region = this.#region;
    const input: CreateBucketCommandInput = { Bucket: bucket };
    if (region !== "us-east-1") {
      const constraint = region as NonNullable<
        CreateBucketCommandInput["CreateBucketConfiguration"]
      >["LocationConstraint"];
      input.CreateBucketConfiguration = { LocationConstraint: constraint };
    }
    const outcome = await this.#run("CreateBucket", { bucket }, signal, async (abortSignal) => {
      try {
        await this.#client.send(new CreateBucketCommand(input), { abortSignal });
        return before === "missing" ? "created" : "exists";
      } catch (error) {
        const { s3Code, attempts } = sdkFailure(error);
        if (s3Code === "BucketAlreadyOwnedByYou") return attempts > 1 ? "created" : "exists";
        if (s3Code === "BucketAlreadyExists") return "existing";
        throw error;
      }
    });
    if (outcome !== "existing") return outcome;
    // Some stores say so of the account's own buckets too.
    return (await this.headBucket(bucket, signal)) === "found" ? "exists" : "taken";
  }

  /** `notEmpty`: objects, versions or uploads remain, nothing happened. */
  async deleteBucket(
    bucket: string,
    signal: AbortSignal,
  ): Promise<"deleted" | "missing" | "notEmpty"> {
    return await this.#run("DeleteBucket", { bucket }, signal, async (abortSignal) => {
      try {
        // AWS would drop unfinished uploads with the bucket.
        const { Uploads = [] } = await this.#client.send(
          new ListMultipartUploadsCommand({ Bucket: bucket, MaxUploads: 1 }),
          { abortSignal },
        );
        if (Uploads.length > 0) return "notEmpty";
        await this.#client.send(new DeleteBucketCommand({ Bucket: bucket }), { abortSignal });
        return "deleted";
      } catch (error) {
        const { s3Code } = sdkFailure(error);
        if (s3Code === "NoSuchBucket") return "missing";
        if (s3Code === "BucketNotEmpty") return "notEmpty";
        throw error;
      }
    });
  }

  /** Whether no object, version or delete marker has a key below `prefix`. */
  async isEmpty(bucket: string, prefix: string, signal: AbortSignal): Promise<boolean> {
    return await this.#run("ListObjectVersions", { bucket }, signal, async (abortSignal) => {
      const page = await orNotImplemented(
        this.#client.send(
          new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 }),
          { abortSignal },
        ),
      );
      if (page === "notImplemented") {
        const keys = await this.listKeys({ bucket, prefix, after: "", most: 1 }, signal);
        return keys.length === 0;
      }
      return (page.Versions ?? []).length === 0 && (page.DeleteMarkers ?? []).length === 0;
    });
  }

  /** Whether the bucket keeps old versions; `unsupported`: the store does not know of versions. */
  async versioning(
    bucket: string,
    signal: AbortSignal,
  ): Promise<"enabled" | "suspended" | "off" | "unsupported"> {
    return await this.#run("GetBucketVersioning", { bucket }, signal, async (abortSignal) => {
      const answer = await orNotImplemented(
        this.#client.send(new GetBucketVersioningCommand({ Bucket: bucket }), { abortSignal }),
      );
      if (answer === "notImplemented") return "unsupported";
      if (answer.Status === "Enabled") return "enabled";
      return answer.Status === "Suspended" ? "suspended" : "off";
    });
  }

  /** Names of the account's buckets, in the order of their characters. */
  async listBuckets(signal: AbortSignal): Promise<readonly string[]> {
    return await this.#run("ListBuckets", undefined, signal, async (abortSignal) => {
      const names: string[] = [];
      for (let token: string | undefined; ; ) {
        const input = token === undefined ? {} : { ContinuationToken: token };
        const page = await this.#client.send(new ListBucketsCommand(input), { abortSignal });
        for (const { Name } of page.Buckets ?? []) if (Name !== undefined) names.push(Name);
        token = page.ContinuationToken;
        // An empty token is how some stores say that there is none.
        if (token === undefined || token === "") break;
      }
      return names.sort();
    });
  }

  /** Up to `most` keys below `prefix` after `after`; fewer mean that there are no more. */
  async listKeys(
    page: {
      readonly bucket: string;
      readonly prefix: string;
      readonly after: string;
      /** At most 1,000, which is S3's own limit. */
      readonly most: number;
    },
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { bucket, prefix, after, most } = page;
    return await this.#run(
      "ListObjectsV2",
      { bucket, key: prefix },
      signal,
      async (abortSignal) => {
        const input = {
          ...{ Bucket: bucket, Prefix: prefix, MaxKeys: most, EncodingType: "url" as const },
          ...(after === "" ? {} : { StartAfter: after }),
        };
        const answer = await this.#client.send(new ListObjectsV2Command(input), { abortSignal });
        return (answer.Contents ?? []).map(({ Key = "" }) => decodeKey(Key));
      },
    );
  }

  /** Reads a document of at most 64 KiB; a larger one is `invalid`. */
  async readDocument(bucket: string, key: string, signal: AbortSignal): Promise<DocumentOutcome> {
    return await this.#run("GetObject", { bucket, key }, signal, async (abortSignal) => {
      try {
        const answer = await this.#client.send(new GetObjectCommand({ Bucket: bucket, Key: key }), {
          abortSignal,
        });
        const { Body, ContentLength = 0, ETag } = answer;
        if (ContentLength > maxDocumentBytes || Body === undefined || ETag === undefined) {
          Body?.transformToWebStream()
            .cancel()
            .catch(() => undefined);
          const message = `Key ${JSON.stringify(key)} in bucket ${bucket} at ${this.#endpoint} is no document of at most ${maxDocumentBytes} bytes`;
          throw new BucketControlError("invalid", message);
        }
        return { kind: "found", text: await Body.transformToString(), etag: ETag };
      } catch (error) {
        const { s3Code } = sdkFailure(error);
        if (s3Code === "NoSuchKey") return { kind: "notFound" };
        if (s3Code === "NoSuchBucket") return { kind: "noSuchBucket" };
        throw error;
      }
    });
  }

  /** Writes it if the object is missing (`"absent"`) or still has this ETag. */
  async writeDocument(
    document: { readonly bucket: string; readonly key: string; readonly text: string },
    condition: "absent" | { readonly etag: string },
    signal: AbortSignal,
  ): Promise<"stored" | "preconditionFailed"> {
    const { bucket, key, text } = document;
    const isAbsent = condition === "absent";
    const input = {
      ...{ Bucket: bucket, Key: key, Body: text, ContentType: "application/json" },
      // The SDK finds no length for an empty text.
      ContentLength: Buffer.byteLength(text),
      ...(isAbsent ? { IfNoneMatch: "*" } : { IfMatch: condition.etag }),
    };
    const outcome = await this.#run("PutObject", { bucket, key }, signal, async (abortSignal) => {
      try {
        await this.#client.send(new PutObjectCommand(input), { abortSignal });
        return "stored";
      } catch (error) {
        const failure = sdkFailure(error);
        if (!isConditionFailure(failure, !isAbsent)) throw error;
        return failure.attempts > 1 ? "unsure" : "preconditionFailed";
      }
    });
    if (outcome !== "unsure") return outcome;
    // An earlier attempt, whose answer was lost, may be what the condition met.
    const read = await this.readDocument(bucket, key, signal);
    return read.kind === "found" && read.text === text ? "stored" : "preconditionFailed";
  }

  /**
   * Removes every object, version, delete marker and unfinished upload below `prefix`, except the key `keep`.
   * `onProgress` hears how many are gone so far.
   */
  async empty(
    bucket: string,
    scope: { readonly prefix: string; readonly keep?: string },
    signal: AbortSignal,
    onProgress?: (removed: number) => void,
  ): Promise<void> {
    await this.#run("Emptying", { bucket, key: scope.prefix }, signal, (abortSignal) =>
      emptyPrefix(this.#client, { bucket, ...scope }, abortSignal, onProgress),
    );
  }

  async #run<Result>(
    operation: string,
    target: { readonly bucket: string; readonly key?: string } | undefined,
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    signal.throwIfAborted();
    try {
      return await run(signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof BucketControlError) throw error;
      const key = target?.key === undefined ? "" : ` of ${JSON.stringify(target.key)}`;
      const bucket = target === undefined ? "" : ` in bucket ${target.bucket}`;
      const request = `${operation}${key}${bucket} at ${this.#endpoint}`;
      throw toBucketControlError(error, request);
    }
  }
}
