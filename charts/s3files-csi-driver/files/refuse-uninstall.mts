/**
 * Run by the chart's pre-delete hook inside the cluster: lists the pods that use volumes of the driver, and ends
 * with status 1 when there are any, which makes Helm give up. Node's own modules only.
 */
import { readFileSync } from "node:fs";

interface Volume {
  readonly name: string;
  readonly persistentVolumeClaim?: { readonly claimName: string };
  readonly ephemeral?: object;
}

/** What is read of a pod. */
export interface Pod {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly nodeName?: string; readonly volumes?: readonly Volume[] };
  readonly status?: { readonly phase?: string };
}

/** What is read of a persistent volume. */
export interface PersistentVolume {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly csi?: { readonly driver: string };
    readonly claimRef?: { readonly name: string; readonly namespace: string };
  };
}

/** The pods, not yet ended, that use a claim whose volume is the driver's; one line for each of their volumes. */
export function podsInUse(
  driver: string,
  volumes: readonly PersistentVolume[],
  pods: readonly Pod[],
): string[] {
  const claims = new Map(
    volumes.flatMap(({ metadata, spec }) =>
      spec.csi?.driver === driver && spec.claimRef !== undefined
        ? [[`${spec.claimRef.namespace}/${spec.claimRef.name}`, metadata.name] as const]
        : [],
    ),
  );
  return pods
    .filter(({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed")
    .flatMap(({ metadata, spec }) =>
      (spec.volumes ?? []).flatMap((volume) => {
        const claim =
          volume.ephemeral === undefined
            ? volume.persistentVolumeClaim?.claimName
            : `${metadata.name}-${volume.name}`;
        const found = claims.get(`${metadata.namespace}/${claim}`);
        const where = spec.nodeName === undefined ? "" : ` on node ${spec.nodeName}`;
        return found === undefined
          ? []
          : [`${metadata.namespace}/${metadata.name}${where}: claim ${claim}, volume ${found}`];
      }),
    );
}

/** All items of a list, page by page. Rejects when the API answers with anything but 200. */
export async function listAll<Item>(
  api: { readonly url: string; readonly token: string },
  path: string,
): Promise<Item[]> {
  const items: Item[] = [];
  let next = "";
  do {
    const url = `${api.url}${path}?limit=500${next === "" ? "" : `&continue=${encodeURIComponent(next)}`}`;
    const answer = await fetch(url, {
      headers: { authorization: `Bearer ${api.token}` },
      signal: AbortSignal.timeout(30_000),
    }).catch((cause: unknown) => {
      throw new Error(`GET ${path}: no answer of the cluster's API at ${api.url}`, { cause });
    });
    if (answer.status !== 200) {
      throw new Error(
        `GET ${path}: status ${answer.status}: ${(await answer.text()).slice(0, 500)}`,
      );
    }
    const page = (await answer.json()) as {
      readonly items: readonly Item[];
      readonly metadata: { readonly continue?: string };
    };
    items.push(...page.items);
    next = page.metadata.continue ?? "";
  } while (next !== "");
  return items;
}

async function main(environment: Readonly<Record<string, string | undefined>>): Promise<number> {
  const text = (name: string): string => {
    const value = environment[name];
    if (value === undefined || value === "") throw new Error(`${name} is not set`);
    return value;
  };
  const host = text("KUBERNETES_SERVICE_HOST");
  const api = {
    url:
      environment["API_URL"] ??
      `https://${host.includes(":") ? `[${host}]` : host}:${text("KUBERNETES_SERVICE_PORT")}`,
    token: readFileSync(
      environment["TOKEN_FILE"] ?? "/var/run/secrets/kubernetes.io/serviceaccount/token",
      "utf8",
    ).trim(),
  };
  const driver = text("DRIVER");
  const volumes = await listAll<PersistentVolume>(api, "/api/v1/persistentvolumes");
  const used = podsInUse(driver, volumes, await listAll<Pod>(api, "/api/v1/pods"));
  if (used.length === 0) {
    process.stdout.write(`No pod uses a volume of ${driver}\n`);
    return 0;
  }
  const release = text("RELEASE");
  const namespace = text("NAMESPACE");
  process.stdout.write(
    `${[
      `Uninstall refused: ${used.length} volumes of ${driver} are in use.`,
      ...used,
      "Delete these pods first. To uninstall all the same, and leave them with mounts that wait for ever:",
      `  helm uninstall ${release} --namespace ${namespace} --no-hooks`,
      "or set uninstall.force=true by helm upgrade, and uninstall then.",
    ].join("\n")}\n`,
  );
  return 1;
}

if (import.meta.main) process.exitCode = await main(process.env);
