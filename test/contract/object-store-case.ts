import assert from "node:assert/strict";
import {
  type ETag,
  type ListedObject,
  type ObjectHeaders,
  type ObjectKey,
  type ObjectStore,
  ObjectStoreError,
  type ObjectStoreErrorCode,
  objectKey,
  type PutBody,
} from "../../src/s3/object-store.ts";

/** What a case works with: a store and a part of its key space of its own. */
export interface ObjectStoreCaseContext {
  readonly store: ObjectStore;
  /** Ends in a slash. */
  readonly prefix: string;
}

/** One statement about every `ObjectStore`, and its proof. */
export interface ObjectStoreCase {
  readonly title: string;
  readonly run: (context: ObjectStoreCaseContext) => Promise<void>;
}

/** How a store departs from the contract in one case: why, and what it does instead, asserted. */
export interface ObjectStoreDifference {
  readonly reason: string;
  readonly run: (context: ObjectStoreCaseContext) => Promise<void>;
}

/** No headers and no metadata. */
export const plain: ObjectHeaders = { metadata: {} };

/** A syntactically right ETag that no object has. */
export const otherEtag = '"00000000000000000000000000000000"' as ETag;

/** A body of one chunk. */
export function bodyOf(data: string | Uint8Array): PutBody {
  const chunk = Buffer.from(data);
  return { sizeBytes: chunk.length, chunks: [chunk] };
}

/** A key below the case's prefix. */
export function keyOf({ prefix }: ObjectStoreCaseContext, name: string): ObjectKey {
  return objectKey(prefix + name);
}

/** Puts without a condition; returns the ETag. */
export async function put(
  context: ObjectStoreCaseContext,
  name: string,
  data: string | Uint8Array,
  headers: ObjectHeaders = plain,
): Promise<ETag> {
  const key = keyOf(context, name);
  const outcome = await context.store.put(key, bodyOf(data), headers, "any");
  assert.equal(outcome.kind, "stored");
  return outcome.etag;
}

/** The object's bytes as text, or undefined when it is missing. */
export async function text(
  context: ObjectStoreCaseContext,
  name: string,
): Promise<string | undefined> {
  const key = keyOf(context, name);
  const found = await context.store.head(key);
  if (found.kind === "notFound") return undefined;
  const range = {
    ...{ offsetBytes: 0, lengthBytes: Math.max(1, found.sizeBytes) },
    ...{ ifMatch: found.etag, objectSizeBytes: found.sizeBytes },
  };
  const read = await context.store.get(key, range);
  assert.equal(read.kind, "read");
  return Buffer.from(read.data).toString();
}

/** All pages of a listing: names below the case's prefix. */
export async function listAll(
  context: ObjectStoreCaseContext,
  query: { delimiter?: "/"; maxKeys?: number; below?: string; startAfter?: string } = {},
): Promise<{ names: string[]; prefixes: string[]; objects: ListedObject[]; pages: number[] }> {
  const { below = "", startAfter, ...rest } = query;
  const prefix = context.prefix + below;
  const objects: ListedObject[] = [];
  const prefixes: string[] = [];
  const pages: number[] = [];
  let token: string | undefined;
  do {
    const page = await context.store.list({
      ...{ prefix, ...rest },
      ...(startAfter === undefined ? {} : { startAfter: context.prefix + startAfter }),
      ...(token === undefined ? {} : { token }),
    });
    objects.push(...page.objects);
    prefixes.push(...page.prefixes.map((one) => one.slice(context.prefix.length)));
    pages.push(page.objects.length + page.prefixes.length);
    token = page.nextToken;
  } while (token !== undefined);
  const names = objects.map(({ key }) => key.slice(context.prefix.length));
  return { names, prefixes, objects, pages };
}

/** Asserts that a request fails with this code. */
export async function fails(request: Promise<unknown>, code: ObjectStoreErrorCode): Promise<void> {
  await assert.rejects(request, (error) => {
    assert.ok(error instanceof ObjectStoreError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** Runs `count` tasks, 16 at a time. */
export async function many(count: number, task: (index: number) => Promise<unknown>) {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}
