import {
  BucketError,
  type BucketOperations,
  type DocumentRead,
} from "../../src/csi/bucket-operations.ts";

/**
 * Buckets of one account in memory. `crashAfter` n operations every further one throws, as if the process
 * had died there; `foreign` names belong to another account.
 */
export class MemoryBucketOperations implements BucketOperations {
  readonly buckets = new Map<string, Map<string, string>>();
  readonly foreign = new Set<string>();
  readonly calls: string[] = [];
  crashAfter = Number.POSITIVE_INFINITY;
  /** Thrown by every operation while set. */
  down: BucketError | undefined;
  #etags = 0;
  readonly #etagOf = new Map<string, string>();

  #begin(call: string): void {
    if (this.down !== undefined) throw this.down;
    if (this.calls.length >= this.crashAfter) throw new Error("crashed");
    this.calls.push(call);
  }

  #bucket(name: string): Map<string, string> {
    if (this.foreign.has(name)) throw new BucketError("denied", "AccessDenied");
    const bucket = this.buckets.get(name);
    if (bucket === undefined) throw new BucketError("noSuchBucket", "NoSuchBucket");
    return bucket;
  }

  /** Puts an object as another S3 client would; the bucket is made when missing. */
  put(bucket: string, key: string, text: string): void {
    const objects = this.buckets.get(bucket) ?? new Map<string, string>();
    this.buckets.set(bucket, objects.set(key, text));
    this.#etagOf.set(`${bucket}/${key}`, `"${++this.#etags}"`);
  }

  async createBucket(bucket: string): Promise<"created" | "exists" | "taken"> {
    this.#begin(`createBucket ${bucket}`);
    if (this.foreign.has(bucket)) return "taken";
    if (this.buckets.has(bucket)) return "exists";
    this.buckets.set(bucket, new Map());
    return await Promise.resolve("created");
  }

  async deleteBucket(bucket: string): Promise<"deleted" | "missing" | "notEmpty"> {
    this.#begin(`deleteBucket ${bucket}`);
    const objects = this.buckets.get(bucket);
    if (objects === undefined) return "missing";
    if (objects.size > 0) return "notEmpty";
    this.buckets.delete(bucket);
    return await Promise.resolve("deleted");
  }

  async isEmpty(bucket: string, prefix: string): Promise<boolean> {
    this.#begin(`isEmpty ${bucket}/${prefix}`);
    const keys = [...this.#bucket(bucket).keys()];
    return await Promise.resolve(!keys.some((key) => key.startsWith(prefix)));
  }

  async listBuckets(): Promise<readonly string[]> {
    this.#begin("listBuckets");
    return await Promise.resolve([...this.buckets.keys()].sort());
  }

  async listKeys(page: {
    readonly bucket: string;
    readonly prefix: string;
    readonly after: string;
    readonly most: number;
  }): Promise<readonly string[]> {
    this.#begin(`listKeys ${page.bucket}/${page.prefix}`);
    const keys = [...this.#bucket(page.bucket).keys()]
      .filter((key) => key.startsWith(page.prefix) && key > page.after)
      .sort();
    return await Promise.resolve(keys.slice(0, page.most));
  }

  async readDocument(bucket: string, key: string): Promise<DocumentRead> {
    this.#begin(`readDocument ${bucket}/${key}`);
    if (!this.buckets.has(bucket) && !this.foreign.has(bucket)) return { kind: "noSuchBucket" };
    const text = this.#bucket(bucket).get(key);
    if (text === undefined) return { kind: "notFound" };
    const etag = this.#etagOf.get(`${bucket}/${key}`) ?? "";
    return await Promise.resolve({ kind: "found", text, etag });
  }

  async writeDocument(
    document: { readonly bucket: string; readonly key: string; readonly text: string },
    condition: "absent" | { readonly etag: string },
  ): Promise<"stored" | "preconditionFailed"> {
    const { bucket, key, text } = document;
    this.#begin(`writeDocument ${bucket}/${key}`);
    const objects = this.#bucket(bucket);
    const etag = objects.has(key) ? this.#etagOf.get(`${bucket}/${key}`) : undefined;
    const holds = condition === "absent" ? etag === undefined : etag === condition.etag;
    if (!holds) return "preconditionFailed";
    this.put(bucket, key, text);
    return await Promise.resolve("stored");
  }

  async empty(
    bucket: string,
    scope: { readonly prefix: string; readonly keep?: string },
  ): Promise<void> {
    this.#begin(`empty ${bucket}/${scope.prefix}`);
    const objects = this.#bucket(bucket);
    for (const key of [...objects.keys()]) {
      if (key.startsWith(scope.prefix) && key !== scope.keep) objects.delete(key);
    }
    await Promise.resolve();
  }
}
