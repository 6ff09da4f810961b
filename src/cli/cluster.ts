import { systemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { driverName } from "../csi/ownership-mark.ts";
import { ClusterApi } from "../kubernetes/api.ts";
import { ClusterEvents } from "../kubernetes/cluster-events.ts";
import { type Events, noEvents } from "../kubernetes/events.ts";
import { removeStartupTaint } from "../kubernetes/startup-taint.ts";
import type { Config } from "./config.ts";

/** Where kubelet puts a pod's service account. */
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Events in the cluster that this process runs in; none outside one. */
export function clusterEvents(
  { clusterApi: url }: Config,
  process: { readonly component: string; readonly host: string },
  log: Log,
): Events {
  if (url === undefined) return noEvents;
  const api = new ClusterApi({ url, serviceAccount });
  return new ClusterEvents(process, { api, clock: systemClock, log });
}

/** Begins to take the startup taint from this node, in the background; does nothing outside a cluster. */
export function takeStartupTaint(
  { clusterApi: url }: Config,
  taint: { readonly node: string; readonly key: string },
  dependencies: { readonly log: Log; readonly signal: AbortSignal },
): void {
  if (url === undefined) return;
  const api = new ClusterApi({ url, serviceAccount });
  const { log } = dependencies;
  removeStartupTaint(
    { ...taint, driver: driverName },
    { api, clock: systemClock, ...dependencies },
  ).catch((error: unknown) => log.error("The startup taint stays", { error }));
}
