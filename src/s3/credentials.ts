import { readFile, stat } from "node:fs/promises";
import { type Clock, systemClock } from "../base/clock.ts";

/** Keys that sign requests. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** When the store stops accepting them, in milliseconds since the epoch; absent: never. */
  readonly expiresMs?: number;
}

/** Gives the credentials to sign the next request with. Rejects with {@link CredentialsError}. */
export type CredentialsProvider = () => Promise<Credentials>;

/** No usable credentials. The message never holds a key. */
export class CredentialsError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "CredentialsError";
  }
}

function field(document: object, name: string): string | undefined {
  const value = (document as Record<string, unknown>)[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/**
 * Reads a credentials document: JSON with `accessKeyId`, `secretAccessKey` and, where there is one, `sessionToken`.
 * @throws {CredentialsError} naming what is missing; the text itself stays out of the message.
 */
export function parseCredentials(text: string, origin: string): Credentials {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which holds the secret.
    throw new CredentialsError(`${origin} is not JSON`);
  }
  if (typeof document !== "object" || document === null) {
    throw new CredentialsError(`${origin} holds no JSON object`);
  }
  const accessKeyId = field(document, "accessKeyId");
  const secretAccessKey = field(document, "secretAccessKey");
  const sessionToken = field(document, "sessionToken");
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const name = accessKeyId === undefined ? "accessKeyId" : "secretAccessKey";
    throw new CredentialsError(`${origin} has no ${name}`);
  }
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
  };
}

/**
 * Credentials of a JSON file, read again when it has been written or replaced. A file that is missing or broken
 * for a moment, as while it is being replaced, leaves the former credentials in use.
 */
export function fileCredentials(path: string, clock: Clock = systemClock): CredentialsProvider {
  // A stat for every request would be wasted: a replaced Secret takes a minute to reach the node anyway.
  const checkEveryMs = 1000;
  let current: { readonly credentials: Credentials; readonly mark: string } | undefined;
  let checkedMs = Number.NEGATIVE_INFINITY;
  let pending: Promise<Credentials> | undefined;
  const read = async (): Promise<Credentials> => {
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const mark = `${ino} ${mtimeMs} ${size}`;
      if (current?.mark !== mark) {
        const text = await readFile(path, "utf8");
        current = { credentials: parseCredentials(text, `Credentials file ${path}`), mark };
      }
    } catch (cause) {
      if (current === undefined) {
        if (cause instanceof CredentialsError) throw cause;
        throw new CredentialsError(`Credentials file ${path} cannot be read`, { cause });
      }
    }
    checkedMs = clock.monotonicMs();
    return current.credentials;
  };
  return async () => {
    if (current !== undefined && clock.monotonicMs() - checkedMs < checkEveryMs) {
      return current.credentials;
    }
    pending ??= read().finally(() => {
      pending = undefined;
    });
    return await pending;
  };
}

/**
 * Keeps what `load` gives until shortly before it expires, and then loads anew in the background while the old
 * ones still work; of many callers at once one loads.
 */
export function cachedCredentials(
  load: CredentialsProvider,
  clock: Clock = systemClock,
): CredentialsProvider {
  const renewBeforeMs = 5 * 60_000;
  // After this the old ones are not worth a request that is refused while it is under way.
  const unusableBeforeMs = 10_000;
  const retryAfterMs = 10_000;
  let current: Credentials | undefined;
  let pending: Promise<Credentials> | undefined;
  let failedMs = Number.NEGATIVE_INFINITY;
  const renew = (): Promise<Credentials> => {
    pending ??= load().then(
      (loaded) => {
        current = loaded;
        pending = undefined;
        return loaded;
      },
      (cause: unknown) => {
        failedMs = clock.monotonicMs();
        pending = undefined;
        throw cause;
      },
    );
    return pending;
  };
  return async () => {
    const expiresMs = current?.expiresMs ?? Number.POSITIVE_INFINITY;
    const leftMs = expiresMs - Number(clock.nowNs() / 1_000_000n);
    if (current === undefined || leftMs <= unusableBeforeMs) return await renew();
    if (leftMs <= renewBeforeMs && clock.monotonicMs() - failedMs > retryAfterMs) {
      // A failure here shows once the old ones no longer do.
      renew().catch(() => undefined);
    }
    return current;
  };
}

interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

/**
 * The credentials of the process's surroundings by the chain of the AWS SDK: environment, shared files, web
 * identity token, container and instance roles; cached.
 */
export function defaultCredentials(clock: Clock = systemClock): CredentialsProvider {
  let chain: (() => Promise<AwsCredentials>) | undefined;
  return cachedCredentials(async () => {
    try {
      if (chain === undefined) {
        // Loaded when it is needed: a server with a credentials file starts sooner without it.
        const { fromNodeProviderChain } = await import("@aws-sdk/credential-providers");
        chain = fromNodeProviderChain({ maxRetries: 2 });
      }
      const { accessKeyId, secretAccessKey, sessionToken, expiration } = await chain();
      return {
        accessKeyId,
        secretAccessKey,
        ...(sessionToken === undefined ? {} : { sessionToken }),
        ...(expiration === undefined ? {} : { expiresMs: expiration.getTime() }),
      };
    } catch (cause) {
      throw new CredentialsError("No AWS credentials in the environment, files or instance role", {
        cause,
      });
    }
  }, clock);
}
