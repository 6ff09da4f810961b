import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { undoWhenAbandoned } from "../../support/abandon.ts";
import { requireProgram } from "../../support/guest.ts";
import { type ClusterNetwork, controlPlaneAddress } from "./network.ts";
import { places } from "./places.ts";

/** How long a part may take to answer, on a machine that does other things too. */
const patienceMs = 120_000;

/** etcd, API server, controller manager and scheduler, in the cluster's network namespace. */
export class ControlPlane implements AsyncDisposable {
  readonly #namespace: string;
  readonly #parts: ChildProcess[] = [];
  readonly #undo = new DisposableStack();

  private constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** Starts an empty cluster and resolves when it gives namespaces their service accounts. */
  static async start(network: ClusterNetwork): Promise<ControlPlane> {
    const plane = new ControlPlane(network.namespace);
    try {
      await plane.#start();
    } catch (error) {
      await plane[Symbol.asyncDispose]();
      throw error;
    }
    return plane;
  }

  async #start(): Promise<void> {
    this.#run("etcd", requireProgram("etcd", "etcd-server"), etcdArguments());
    this.#run("kube-apiserver", join(places.bin, "kube-apiserver"), apiServerArguments());
    await this.#answers(["get", "--raw", "/readyz"]);
    for (const [name, part] of [
      ["kube-controller-manager", "controller-manager"],
      ["kube-scheduler", "scheduler"],
    ] as const) {
      const kubeconfig = join(places.certificates, `${part}.kubeconfig`);
      this.#run(name, join(places.bin, name), [
        `--kubeconfig=${kubeconfig}`,
        `--authentication-kubeconfig=${kubeconfig}`,
        `--authorization-kubeconfig=${kubeconfig}`,
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--v=1",
        ...(part === "scheduler" ? [] : controllerManagerArguments()),
      ]);
    }
    await this.#answers(["get", "serviceaccount", "default"]);
  }

  #run(name: string, program: string, args: readonly string[]): void {
    const log = openSync(join(places.logs, `${name}.log`), "w");
    const child = spawn("ip", ["netns", "exec", this.#namespace, program, ...args], {
      stdio: ["ignore", log, log],
      // Not in the terminal's process group: an interrupt is the keeper's to handle.
      detached: true,
    });
    closeSync(log);
    this.#parts.push(child);
    this.#undo.use(undoWhenAbandoned(() => child.kill("SIGKILL")));
  }

  async #answers(question: readonly string[]): Promise<void> {
    const command = ["netns", "exec", this.#namespace, join(places.bin, "kubectl")];
    const until = performance.now() + patienceMs;
    for (;;) {
      const ended = this.#parts.find(({ exitCode }) => exitCode !== null);
      if (ended !== undefined) {
        throw new Error(`${ended.spawnargs[4]} ended; its log is in ${places.logs}`);
      }
      try {
        execFileSync("ip", [...command, `--kubeconfig=${places.kubeconfig}`, ...question], {
          stdio: ["ignore", "ignore", "pipe"],
          timeout: 10_000,
        });
        return;
      } catch (cause) {
        if (performance.now() > until) throw new Error(`No answer to ${question}`, { cause });
      }
      await after(300);
    }
  }

  /** Ends all parts, the last one first. The API server would otherwise wait a minute for its watchers. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#parts.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await Promise.race([ended, after(3000)]);
      child.kill("SIGKILL");
      await ended;
    }
    this.#undo.dispose();
  }
}

function etcdArguments(): string[] {
  const folder = join(places.run, "etcd");
  mkdirSync(folder, { mode: 0o700 });
  const [clients, peers] = ["http://127.0.0.1:2379", "http://127.0.0.1:2380"];
  return [
    `--data-dir=${folder}`,
    "--unsafe-no-fsync",
    `--listen-client-urls=${clients}`,
    `--advertise-client-urls=${clients}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=default=${peers}`,
  ];
}

function apiServerArguments(): string[] {
  const file = (name: string) => join(places.certificates, name);
  return [
    "--etcd-servers=http://127.0.0.1:2379",
    // The port of the Service `kubernetes`, whose address is one of this namespace.
    "--secure-port=443",
    "--bind-address=0.0.0.0",
    `--advertise-address=${controlPlaneAddress}`,
    "--service-cluster-ip-range=10.96.0.0/16",
    `--tls-cert-file=${file("apiserver.crt")}`,
    `--tls-private-key-file=${file("apiserver.key")}`,
    `--client-ca-file=${file("ca.crt")}`,
    `--kubelet-client-certificate=${file("apiserver-to-kubelet.crt")}`,
    `--kubelet-client-key=${file("apiserver-to-kubelet.key")}`,
    `--kubelet-certificate-authority=${file("ca.crt")}`,
    "--kubelet-preferred-address-types=InternalIP",
    `--service-account-key-file=${file("service-accounts.pub")}`,
    `--service-account-signing-key-file=${file("service-accounts.key")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    "--v=1",
  ];
}

function controllerManagerArguments(): string[] {
  return [
    `--service-account-private-key-file=${join(places.certificates, "service-accounts.key")}`,
    `--root-ca-file=${join(places.certificates, "ca.crt")}`,
    "--use-service-account-credentials=true",
  ];
}
