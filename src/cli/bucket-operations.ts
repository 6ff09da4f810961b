import { createHash } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import {
  BucketError,
  type BucketErrorCode,
  type BucketOperations,
  type DocumentRead,
} from "../csi/bucket-operations.ts";
import type { Connection } from "../csi/volume-spec-of.ts";
import { BucketControl } from "../s3/bucket-control.ts";
import { BucketControlError, type BucketControlErrorCode } from "../s3/bucket-control-error.ts";
import type { Credentials, CredentialsProvider } from "../s3/credentials.ts";
import { CertificatesError, readCertificates } from "./certificates.ts";

const codeOf = {
  denied: "denied",
  unauthenticated: "unauthenticated",
  noSuchBucket: "noSuchBucket",
  unavailable: "unavailable",
  invalid: "invalid",
} as const satisfies Record<BucketControlErrorCode, BucketErrorCode>;

/** How long a client that nobody uses keeps its connections. */
const idleMs = 60_000;

interface Entry {
  readonly control: BucketControl;
  users: number;
  cancelClose: () => void;
}

/**
 * Buckets of any connection for the CSI controller. RPCs of the same connection and credentials share a client
 * and its connections; one that was not used for a minute is closed.
 */
export class BucketClients {
  readonly #entries = new Map<string, Entry>();
  readonly #credentialsOf: (connectionName?: string) => CredentialsProvider | undefined;
  readonly #clock: Clock;

  /** `credentials` are the driver's own, by connection. */
  constructor(dependencies: {
    readonly credentials: (connectionName?: string) => CredentialsProvider | undefined;
    readonly clock: Clock;
  }) {
    this.#credentialsOf = dependencies.credentials;
    this.#clock = dependencies.clock;
  }

  /** The store of a connection; absent credentials mean the driver's own. Makes no request. */
  open(connection: Connection, credentials: Credentials | undefined): BucketOperations {
    return new SharedBucketOperations((work) => this.#use(connection, credentials, work));
  }

  /** Ends all connections. Caller: no operation runs. */
  close(): void {
    for (const { control, cancelClose } of this.#entries.values()) {
      cancelClose();
      control.close();
    }
    this.#entries.clear();
  }

  async #use<T>(
    connection: Connection,
    credentials: Credentials | undefined,
    work: (control: BucketControl) => Promise<T>,
  ): Promise<T> {
    // A digest: a key of the map may show up in a heap dump's names.
    const key = createHash("sha256")
      .update(JSON.stringify([connection, credentials ?? null]))
      .digest("hex");
    const entry = this.#entries.get(key) ?? this.#connect(connection, credentials);
    this.#entries.set(key, entry);
    entry.users++;
    entry.cancelClose();
    try {
      return await work(entry.control);
    } finally {
      entry.users--;
      if (entry.users === 0) {
        entry.cancelClose = this.#clock.schedule(idleMs, () => {
          this.#entries.delete(key);
          entry.control.close();
        });
      }
    }
  }

  #connect(connection: Connection, credentials: Credentials | undefined): Entry {
    const { caBundle, connectionName, ...options } = connection;
    const provider =
      credentials === undefined
        ? this.#credentialsOf(connectionName)
        : () => Promise.resolve(credentials);
    if (provider === undefined) {
      throw new BucketError("invalid", `The configuration has no connection '${connectionName}'`);
    }
    const control = new BucketControl(
      { ...options, ...(caBundle === undefined ? {} : { caBundle: certificates(caBundle) }) },
      { credentials: provider },
    );
    return { control, users: 0, cancelClose: () => undefined };
  }
}

function certificates(path: string): string {
  try {
    return readCertificates(path);
  } catch (cause) {
    if (!(cause instanceof CertificatesError)) throw cause;
    throw new BucketError("invalid", cause.message, { cause });
  }
}

type Use = <T>(work: (control: BucketControl) => Promise<T>) => Promise<T>;

/** {@link BucketControl} with the controller's errors. */
class SharedBucketOperations implements BucketOperations {
  readonly #use: Use;

  constructor(use: Use) {
    this.#use = use;
  }

  async #run<T>(work: (control: BucketControl) => Promise<T>): Promise<T> {
    try {
      return await this.#use(work);
    } catch (cause) {
      if (!(cause instanceof BucketControlError)) throw cause;
      throw new BucketError(codeOf[cause.code], cause.message, { cause });
    }
  }

  createBucket(bucket: string, signal: AbortSignal): Promise<"created" | "exists" | "taken"> {
    return this.#run((control) => control.createBucket(bucket, signal));
  }

  deleteBucket(bucket: string, signal: AbortSignal): Promise<"deleted" | "missing" | "notEmpty"> {
    return this.#run((control) => control.deleteBucket(bucket, signal));
  }

  isEmpty(bucket: string, prefix: string, signal: AbortSignal): Promise<boolean> {
    return this.#run((control) => control.isEmpty(bucket, prefix, signal));
  }

  listBuckets(signal: AbortSignal): Promise<readonly string[]> {
    return this.#run((control) => control.listBuckets(signal));
  }

  listKeys(
    page: Parameters<BucketOperations["listKeys"]>[0],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    return this.#run((control) => control.listKeys(page, signal));
  }

  readDocument(bucket: string, key: string, signal: AbortSignal): Promise<DocumentRead> {
    return this.#run((control) => control.readDocument(bucket, key, signal));
  }

  writeDocument(
    document: { readonly bucket: string; readonly key: string; readonly text: string },
    condition: "absent" | { readonly etag: string },
    signal: AbortSignal,
  ): Promise<"stored" | "preconditionFailed"> {
    return this.#run((control) => control.writeDocument(document, condition, signal));
  }

  empty(
    bucket: string,
    scope: { readonly prefix: string; readonly keep?: string },
    signal: AbortSignal,
  ): Promise<void> {
    return this.#run((control) => control.empty(bucket, scope, signal));
  }
}
