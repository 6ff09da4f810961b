import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiAnswer, ClusterApi } from "./api.ts";

const retryMs = 2_000;
/** A cluster that refuses is told so in the log once a minute, not every time. */
const complainMs = 60_000;

interface Taint {
  readonly key?: string;
}

/** What {@link removeStartupTaint} looks for and takes away. */
export interface StartupTaint {
  readonly node: string;
  readonly driver: string;
  /** Whatever its effect and value. */
  readonly key: string;
}

/**
 * Takes the taint with this key from the node once kubelet has registered the driver there, so that no pod with a volume
 * of ours comes before it can be mounted. Resolves when the node has no such taint, or when the signal aborts.
 */
export async function removeStartupTaint(
  taint: StartupTaint,
  dependencies: {
    readonly api: Pick<ClusterApi, "send">;
    readonly clock: Clock;
    readonly log: Log;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { clock, log, signal } = dependencies;
  let complainedMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    try {
      if (await tryToRemove(taint, dependencies)) return;
    } catch (error) {
      if (clock.monotonicMs() - complainedMs >= complainMs) {
        complainedMs = clock.monotonicMs();
        log.warn("The startup taint cannot be removed yet", { ...taint, error });
      }
    }
    await new Promise<void>((wake) => {
      const end = () => {
        cancel();
        signal.removeEventListener("abort", end);
        wake();
      };
      const cancel = clock.schedule(retryMs, end);
      signal.addEventListener("abort", end);
    });
  }
}

async function tryToRemove(
  { node, driver, key }: StartupTaint,
  { api, log }: { readonly api: Pick<ClusterApi, "send">; readonly log: Log },
): Promise<boolean> {
  const name = encodeURIComponent(node);
  const found = await api.send("GET", `/apis/storage.k8s.io/v1/csinodes/${name}`);
  if (found.status === 404) return false;
  const csiNode = succeeded(found) as { spec?: { drivers?: readonly { name?: string }[] } };
  if (csiNode.spec?.drivers?.some((one) => one.name === driver) !== true) return false;
  const path = `/api/v1/nodes/${name}`;
  const current = succeeded(await api.send("GET", path)) as {
    metadata?: { resourceVersion?: string };
    spec?: { taints?: readonly Taint[] };
  };
  const taints = current.spec?.taints ?? [];
  const left = taints.filter((one) => one.key !== key);
  if (left.length === taints.length) return true;
  // The list is replaced as a whole: with the version, nobody's taint of meanwhile is lost.
  const { resourceVersion } = current.metadata ?? {};
  const change = { metadata: { resourceVersion }, spec: { taints: left } };
  const answer = await api.send("PATCH", path, change);
  if (answer.status === 409) return false;
  succeeded(answer);
  log.info("The startup taint is removed", { node, key });
  return true;
}

function succeeded({ status, body }: ApiAnswer): unknown {
  if (status < 300) return body ?? {};
  const message = (body as { message?: unknown } | undefined)?.message;
  throw new Error(`The cluster's API answered ${status}: ${String(message ?? "").slice(0, 500)}`);
}
