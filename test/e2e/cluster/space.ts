import { setTimeout as after } from "node:timers/promises";
import type { KubectlOptions, Target } from "./target.ts";

/** A Kubernetes object, as kubectl takes and gives it. */
export type Manifest = Readonly<Record<string, unknown>> & {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [key: string]: unknown };
};

/** Where a claim's data lies. */
export interface ClaimedVolume {
  /** Name of the PersistentVolume. */
  readonly name: string;
  readonly handle: string;
  readonly bucket: string;
  /** Empty, or ends in `/`. */
  readonly prefix: string;
}

/** How a pod uses a claim. */
export interface PodOptions {
  readonly claim: string;
  /** Default: sleeps until it is ended. */
  readonly script?: string;
  readonly readOnly?: boolean;
  readonly subPath?: string;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly node?: string;
}

/** Where pods see their volume. */
export const dataPath = "/data";

const sleep = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";

/**
 * A namespace of one scenario with what the scenario makes in it; objects outside of namespaces (classes, volumes) carry
 * its name. {@link Space.end} removes everything.
 */
export class Space {
  readonly target: Target;
  readonly name: string;
  readonly #outside: string[] = [];
  readonly #notes: string[] = [];

  private constructor(target: Target, name: string) {
    this.target = target;
    this.name = name;
  }

  /** Makes the namespace, after removing what an earlier run left of it. */
  static async make(target: Target, name: string): Promise<Space> {
    const space = new Space(target, name);
    await space.kubectl(["delete", "namespace", name, "--ignore-not-found"]);
    await space.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    // The controller manager makes it a moment later, and pods are refused before.
    await space.until("a service account", async () =>
      (await space.kubectl(["get", "serviceaccount", "--output=name"])).includes("/default"),
    );
    return space;
  }

  /** Figures for whoever reads the report. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  /** kubectl in this namespace. */
  async kubectl(args: readonly string[], options?: KubectlOptions): Promise<string> {
    return await this.target.kubectl(["--namespace", this.name, ...args], options);
  }

  async apply(manifest: Manifest): Promise<void> {
    const input = JSON.stringify(manifest);
    if (["StorageClass", "PersistentVolume"].includes(manifest.kind)) {
      this.#outside.push(`${manifest.kind}/${manifest.metadata.name}`);
    }
    await this.kubectl(["apply", "--filename=-"], { input });
  }

  /** Makes a StorageClass of the driver and resolves to its name. */
  async storageClass(
    parameters: Readonly<Record<string, string>> = {},
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const name = `${this.name}-${this.#outside.length + 1}`;
    await this.apply({
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name },
      provisioner: "s3files.csi.dev",
      parameters,
      ...more,
    });
    return name;
  }

  async claim(
    name: string,
    storageClassName: string,
    accessMode = "ReadWriteOnce",
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    await this.apply({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name },
      spec: {
        storageClassName,
        accessModes: [accessMode],
        resources: { requests: { storage: "1Gi" } },
        ...more,
      },
    });
  }

  /** A volume that somebody made without the provisioner, named as the namespace is, and the claim for it. */
  async staticVolume(
    claim: string,
    volumeAttributes: Readonly<Record<string, string>>,
    options: {
      readonly accessMode?: string;
      /** Further fields of the volume's `csi`. */
      readonly csi?: Readonly<Record<string, unknown>>;
    } = {},
  ): Promise<void> {
    const { accessMode = "ReadWriteOnce", csi = {} } = options;
    await this.apply({
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: this.name },
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: [accessMode],
        persistentVolumeReclaimPolicy: "Retain",
        storageClassName: "",
        claimRef: { namespace: this.name, name: claim },
        csi: { driver: "s3files.csi.dev", volumeHandle: this.name, volumeAttributes, ...csi },
      },
    });
    await this.claim(claim, "", accessMode, { volumeName: this.name });
  }

  /** Waits until the claim has its volume, and says where that lies. */
  async bound(claim: string): Promise<ClaimedVolume> {
    await this.#waitFor(`persistentvolumeclaim/${claim}`, "jsonpath={.status.phase}=Bound");
    const name = await this.field(`persistentvolumeclaim/${claim}`, "{.spec.volumeName}");
    const handle = await this.field(`persistentvolume/${name}`, "{.spec.csi.volumeHandle}");
    const [place = ""] = handle.split("?");
    const slash = place.indexOf("/");
    const [bucket, prefix] =
      slash < 0 ? [place, ""] : [place.slice(0, slash), `${place.slice(slash + 1)}/`];
    return { name, handle, bucket, prefix };
  }

  async pod(name: string, options: PodOptions): Promise<void> {
    const { claim, script = sleep, readOnly = false, subPath, securityContext, node } = options;
    await this.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: {
        terminationGracePeriodSeconds: 5,
        ...(securityContext === undefined ? {} : { securityContext }),
        ...(node === undefined ? {} : { nodeName: node }),
        containers: [
          {
            name: "main",
            image: this.target.shellImage,
            imagePullPolicy: "IfNotPresent",
            command: ["sh", "-c", script],
            volumeMounts: [
              {
                name: "data",
                mountPath: dataPath,
                readOnly,
                ...(subPath === undefined ? {} : { subPath }),
              },
            ],
          },
        ],
        volumes: [{ name: "data", persistentVolumeClaim: { claimName: claim } }],
      },
    });
  }

  async ready(pod: string, timeoutSeconds = 180): Promise<void> {
    await this.#waitFor(`pod/${pod}`, "condition=Ready", timeoutSeconds);
  }

  /** Runs a shell script in a pod and resolves to its output. @throws {Error} when it fails. */
  async exec(pod: string, script: string, timeoutMs?: number): Promise<string> {
    const command = ["exec", pod, "--", "sh", "-c", `cd ${dataPath} && ${script}`];
    return await this.kubectl(command, timeoutMs === undefined ? {} : { timeoutMs });
  }

  /** Removes objects and waits until they are gone. */
  async remove(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.kubectl(["delete", name, "--timeout=110s"]);
  }

  /** What `kubectl describe` says of an object, once `pattern` is in it. */
  async described(object: string, pattern: RegExp): Promise<string> {
    let said = "";
    await this.until(`${pattern} in the description of ${object}`, async () => {
      said = await this.kubectl(["describe", object]);
      return pattern.test(said);
    });
    return said;
  }

  async field(object: string, path: string): Promise<string> {
    return await this.kubectl(["get", object, `--output=jsonpath=${path}`]);
  }

  /** Asks until the answer is yes. @throws {Error} after `timeoutMs` (default 180,000) with the last failure as its cause. */
  async until(what: string, question: () => Promise<boolean>, timeoutMs = 180_000): Promise<void> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      let cause: unknown;
      try {
        if (await question()) return;
      } catch (error) {
        cause = error;
      }
      if (performance.now() > end) {
        throw new Error(`${this.name}: no ${what} within ${timeoutMs} ms`, { cause });
      }
      await after(500);
    }
  }

  async #waitFor(object: string, what: string, timeoutSeconds = 180): Promise<void> {
    const limit = `--timeout=${timeoutSeconds}s`;
    await this.kubectl(["wait", object, `--for=${what}`, limit], {
      timeoutMs: (timeoutSeconds + 20) * 1000,
    });
  }

  /** What helps to understand a failure: objects, events, and what the driver said last. */
  async diagnosis(): Promise<string> {
    const driver = `--namespace=${this.target.driverNamespace}`;
    const parts = [
      ["get", "pods,persistentvolumeclaims", "--output=wide"],
      ["get", "events", "--sort-by=.lastTimestamp"],
      [driver, "get", "pods", "--output=wide"],
      ...["controller", "node", "mounter"].map((component) => [
        ...[driver, "logs", "--container=s3files", "--tail=40", "--prefix"],
        `--selector=app.kubernetes.io/component=${component}`,
      ]),
    ];
    const said: string[] = [];
    for (const args of parts) {
      said.push(`$ kubectl ${args.join(" ")}`);
      said.push(await this.kubectl(args).catch(String));
    }
    return said.join("\n");
  }

  /** Removes pods, then claims, then the rest, and waits until all of it is gone. */
  async end(): Promise<void> {
    const all = ["--all", "--timeout=110s"];
    await this.kubectl(["delete", "pods", ...all]);
    const volumes = await this.field(
      "persistentvolumeclaims",
      '{range .items[*]}{.spec.volumeName}{"\\n"}{end}',
    );
    await this.kubectl(["delete", "persistentvolumeclaims", ...all]);
    for (const object of this.#outside.toReversed()) {
      await this.kubectl(["delete", object, "--ignore-not-found", "--timeout=60s"]);
    }
    for (const volume of volumes.split("\n").filter((name) => name !== "")) {
      const kept = await this.field(
        "persistentvolumes",
        `{.items[?(@.metadata.name=="${volume}")].spec.persistentVolumeReclaimPolicy}`,
      );
      if (kept === "Retain") await this.remove(`persistentvolume/${volume}`);
      else await this.gone(`persistentvolume/${volume}`);
    }
    await this.kubectl(["delete", "namespace", this.name, "--timeout=110s"]);
  }

  async gone(object: string, timeoutMs?: number): Promise<void> {
    await this.until(
      `end of ${object}`,
      async () =>
        (await this.kubectl(["get", object, "--ignore-not-found", "--output=name"])) === "",
      timeoutMs,
    );
  }
}
