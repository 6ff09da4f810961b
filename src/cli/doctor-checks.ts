import { randomUUID } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { abilities, abilityNames, type StoreAbilities } from "../probe/abilities.ts";
import { canaryPrefix } from "../probe/canaries.ts";
import { probeStore } from "../probe/probe.ts";
import type { BucketControl } from "../s3/bucket-control.ts";
import { BucketControlError } from "../s3/bucket-control-error.ts";
import { checkBucket } from "../s3/check-bucket.ts";
import type { CredentialsProvider } from "../s3/credentials.ts";
import { ObjectStoreError, objectKey } from "../s3/object-store.ts";
import type { S3ObjectStore } from "../s3/s3-object-store.ts";
import { scanKeys } from "../sync/unmappable-keys.ts";

/** One thing that was looked at. `failed`: the volume cannot be used, or not safely. */
export interface DoctorCheck {
  readonly name: string;
  readonly status: "ok" | "warning" | "failed";
  readonly detail: string;
  /** What to do about it. */
  readonly fix?: string;
}

/** All that `s3files doctor` says. */
export interface Diagnosis {
  readonly checks: readonly DoctorCheck[];
  /** Absent when the store was not probed. */
  readonly abilities?: StoreAbilities;
}

/** What is looked at, and with what. */
export interface DoctorTarget {
  readonly bucket: string;
  readonly prefix: string;
  readonly credentials: CredentialsProvider;
  readonly store: S3ObjectStore;
  readonly control: BucketControl;
  readonly clock: Clock;
  /** Writes nothing: neither permissions to write nor abilities are looked at. */
  readonly readOnly: boolean;
  readonly maxKeys: number;
}

const day = 24 * 3_600_000;
/** AWS refuses requests that are 15 minutes off. */
const skew = { warnMs: 60_000, failMs: 900_000 };

const fixes = {
  unauthenticated:
    "the access key is unknown or its secret wrong: renew the connection's credentials or the Secret",
  denied:
    "the keys are known and may not do it: compare their policy with the one in docs/install-eks.md",
  noSuchBucket: "make the bucket, or mend the parameters bucket, region and endpoint",
  unavailable:
    "can this host resolve and reach the endpoint, and does it trust its certificate (caBundle)?",
  invalid: "compare region, endpoint and forcePathStyle with the store's own settings",
} as const;

/** Looks at everything, as far as one thing does not make the next pointless. Rejects when the signal aborts. */
export async function diagnose(target: DoctorTarget, signal: AbortSignal): Promise<Diagnosis> {
  const { store, prefix } = target;
  const checks: DoctorCheck[] = [];
  try {
    const { accessKeyId } = await target.credentials();
    checks.push({ name: "credentials", status: "ok", detail: `access key ${accessKeyId}` });
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const fix = "name keys in the connection (credentialsFile), the Secret, or the environment";
    return { checks: [{ name: "credentials", status: "failed", detail, fix }] };
  }
  const answer = await checkBucket(store, prefix, { signal });
  if (answer.kind !== "ok") {
    const { kind, message } = answer;
    checks.push({ name: "bucket", status: "failed", detail: message, fix: fixes[kind] });
    return { checks };
  }
  checks.push({
    name: "bucket",
    status: "ok",
    detail: `${target.bucket} answers to list requests`,
  });
  checks.push(await clockCheck(target, signal));
  checks.push(await versioningCheck(target, signal));
  let known: StoreAbilities | undefined;
  if (target.readOnly) {
    checks.push({ name: "abilities", status: "ok", detail: "not looked at: read-only" });
  } else {
    checks.push(...(await permissionChecks(target, signal)));
    const probed = await abilityChecks(target, signal);
    checks.push(...probed.checks);
    known = probed.abilities;
  }
  checks.push(await uploadsCheck(target, signal));
  checks.push(await keysCheck(target, signal));
  return { checks, ...(known === undefined ? {} : { abilities: known }) };
}

function nowMs(clock: Clock): number {
  return Number(clock.nowNs() / 1_000_000n);
}

/** A check whose failure is a warning: what it asks for is not needed for the volume to work. */
async function guarded(name: string, run: () => Promise<DoctorCheck>): Promise<DoctorCheck> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof ObjectStoreError) && !(error instanceof BucketControlError)) throw error;
    return { name, status: "warning", detail: `cannot be looked at: ${error.message}` };
  }
}

function clockCheck({ store }: DoctorTarget, signal: AbortSignal): Promise<DoctorCheck> {
  const name = "clock";
  return guarded(name, async () => {
    const skewMs = await store.clockSkewMs({ signal });
    if (skewMs === undefined) {
      return { name, status: "ok", detail: "the store's answers carry no date" };
    }
    const seconds = Math.round(skewMs / 1000);
    const detail = `the store's clock is ${Math.abs(seconds)} s ${seconds < 0 ? "behind" : "ahead of"} ours`;
    const size = Math.abs(skewMs);
    if (size < skew.warnMs) return { name, status: "ok", detail };
    const fix =
      "synchronise this host's clock (chrony, systemd-timesyncd); requests carry the store's time meanwhile";
    return { name, status: size < skew.failMs ? "warning" : "failed", detail, fix };
  });
}

function versioningCheck(
  { bucket, control }: DoctorTarget,
  signal: AbortSignal,
): Promise<DoctorCheck> {
  const name = "versioning";
  return guarded(name, async () => {
    const state = await control.versioning(bucket, signal);
    const detail = {
      enabled:
        "enabled: what others overwrite or delete stays in the bucket's history, and every export keeps the version before it",
      suspended: "suspended: what others overwrite or delete is gone",
      off: "off: what others overwrite or delete is gone; of a file edited here whose unchanged bytes were not cached, only the edit is left then",
      unsupported: "the store knows none: what others overwrite or delete is gone",
    }[state];
    const fix = "a lifecycle rule that expires noncurrent versions bounds what they cost";
    return { name, status: "ok", detail, ...(state === "enabled" ? { fix } : {}) };
  });
}

/** The permissions that a volume needs, each by the request that needs it, on canaries. */
async function permissionChecks(
  { store, prefix }: DoctorTarget,
  signal: AbortSignal,
): Promise<DoctorCheck[]> {
  const options = { signal };
  const key = objectKey(`${canaryPrefix(prefix)}doctor-${randomUUID()}`);
  const plain = { metadata: {} };
  const asks: readonly (readonly [action: string, ask: () => Promise<unknown>, need: string])[] = [
    [
      "s3:PutObject",
      () =>
        store.put(key, { sizeBytes: 6, chunks: [Buffer.from("canary")] }, plain, "any", options),
      "nothing can be exported",
    ],
    ["s3:GetObject", () => store.head(key, options), "no file can be read"],
    ["s3:GetObjectTagging", () => store.tags(key, options), "objects with tags cannot be edited"],
    [
      "s3:PutObjectTagging",
      () => store.put(key, { sizeBytes: 0, chunks: [] }, { ...plain, tags: "a=b" }, "any", options),
      "objects with tags cannot be edited",
    ],
    [
      "s3:AbortMultipartUpload",
      async () => {
        const uploadId = await store.createMultipart(key, plain, options);
        await store.abortMultipart(key, uploadId, options);
      },
      "unfinished uploads stay and cost money",
    ],
    [
      "s3:ListBucketMultipartUploads",
      () => store.listUploads(key, options),
      "an upload whose beginning had no answer is never cleaned up",
    ],
    [
      "s3:DeleteObject",
      () => store.delete(key, "any", options),
      "deleted files stay in the bucket",
    ],
  ];
  const needed = new Set(["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]);
  const checks: DoctorCheck[] = [];
  for (const [action, ask, need] of asks) {
    const name = `permission ${action}`;
    try {
      await ask();
      checks.push({ name, status: "ok", detail: "granted" });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ObjectStoreError)) throw error;
      // A store that does not know the request is no matter of permissions.
      const isMissing = error.code === "unsupported" || error.code === "invalid";
      const status = needed.has(action) ? "failed" : "warning";
      checks.push({
        ...{ name, status, detail: `${error.message}; without it ${need}` },
        fix: isMissing ? "the store does not know this request" : `grant ${action} on ${prefix}*`,
      });
    }
  }
  return checks;
}

async function abilityChecks(
  { store, prefix, clock }: DoctorTarget,
  signal: AbortSignal,
): Promise<{ readonly checks: DoctorCheck[]; readonly abilities: StoreAbilities }> {
  const volume = { prefix, id: `doctor-${randomUUID()}`, nowMs: nowMs(clock) };
  const report = await probeStore(store, volume, { signal });
  const checks = abilityNames.map((name): DoctorCheck => {
    const outcome = report.abilities[name];
    const { label, degraded, ...rest } = abilities[name];
    if (outcome === "honoured") return { name: label, status: "ok", detail: "honoured" };
    const detail = `${outcome}; instead: ${degraded}`;
    if ("isMinor" in rest) return { name: label, status: "ok", detail };
    // Nothing stands in for this one.
    const isUnsafe = name === "readAfterWrite" && outcome === "ignored";
    return { name: label, status: isUnsafe ? "failed" : "warning", detail };
  });
  for (const detail of report.errors) {
    checks.push({
      name: "probe",
      status: "warning",
      detail,
      fix: "until it can be asked, what is unknown is not relied on",
    });
  }
  return { checks, abilities: report.abilities };
}

function uploadsCheck(
  { store, prefix, clock }: DoctorTarget,
  signal: AbortSignal,
): Promise<DoctorCheck> {
  const name = "unfinished uploads";
  return guarded(name, async () => {
    const old = nowMs(clock) - day;
    const uploads = await store.listUploads(prefix, { signal });
    const left = uploads.filter(({ initiatedMs }) => initiatedMs < old).length;
    const detail = `${uploads.length}${uploads.length === 1_000 ? " or more" : ""}, ${left} of them older than a day`;
    if (left === 0) return { name, status: "ok", detail };
    const fix =
      "a volume's server aborts its own; a lifecycle rule with AbortIncompleteMultipartUpload ends those of others";
    return { name, status: "warning", detail, fix };
  });
}

function keysCheck(
  { store, prefix, maxKeys }: DoctorTarget,
  signal: AbortSignal,
): Promise<DoctorCheck> {
  const name = "unmappable keys";
  return guarded(name, async () => {
    const scan = await scanKeys(store, { prefix, maxKeys, maxShown: 3 }, { signal });
    const hidden = scan.unmappable + scan.malformed;
    const of = `${scan.isWhole ? "all" : "the first"} ${scan.scanned} keys`;
    const examples = scan.first.map(({ key }) => JSON.stringify(key)).join(", ");
    if (hidden === 0) return { name, status: "ok", detail: `none in ${of}` };
    return {
      ...{ name, status: "warning", detail: `${hidden} in ${of}, such as ${examples}` },
      fix: "`s3files unmappable` lists them; copy them to keys that can be paths to see them in the mount",
    };
  });
}
