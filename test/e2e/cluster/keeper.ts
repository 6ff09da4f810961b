import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { undoWhenAbandoned } from "../../support/abandon.ts";
import { guestTag, removeLeftovers } from "../../support/guest-leftovers.ts";
import { NetworkS3 } from "../../support/network-s3.ts";
import { ControlPlane } from "./control-plane.ts";
import { makeImages, makeNodeDisk } from "./images.ts";
import type { KeeperAnswer, KeeperCalls, KeeperQuestion } from "./keeper-client.ts";
import { ClusterNetwork, controlPlaneAddress, type NodePlace, nodeAddress } from "./network.ts";
import { ClusterNode } from "./node.ts";
import { places } from "./places.ts";

/** What a cluster is started with. */
export interface KeeperOptions {
  readonly nodes: readonly string[];
  readonly memoryMb: number;
  readonly say: (line: string) => void;
}

/**
 * Owns a running cluster: control plane, store and nodes live and end with it. Others reach what `kubectl` does not
 * give them through its socket, see {@link KeeperClient}.
 */
export class Keeper implements AsyncDisposable, KeeperCalls {
  readonly #stack = new AsyncDisposableStack();
  readonly #nodes = new Map<string, ClusterNode>();
  #namespace = "";
  #store: NetworkS3 | undefined;

  /** Resolves when the nodes' kubelets have been started. @throws {Error} when one runs already in this checkout. */
  static async start(options: KeeperOptions): Promise<Keeper> {
    const keeper = new Keeper();
    try {
      await keeper.#start(options);
    } catch (error) {
      await keeper[Symbol.asyncDispose]();
      throw error;
    }
    return keeper;
  }

  async #start({ nodes, memoryMb, say }: KeeperOptions): Promise<void> {
    removeLeftovers(["/dev/shm"]);
    rmSync(places.run, { recursive: true, force: true });
    for (const folder of [places.run, places.logs]) mkdirSync(folder, { recursive: true });
    const began = performance.now();
    const done = (what: string) =>
      say(`${what} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    makeCertificates(nodes);
    await makeImages();
    makeNodeDisk();
    done("images and certificates are made");

    const network = this.#stack.use(new ClusterNetwork(nodes));
    this.#namespace = network.namespace;
    this.#store = this.#stack.use(
      await NetworkS3.start(
        { namespace: network.namespace, hostAddress: controlPlaneAddress },
        { directory: this.#stack.use(memoryFolder("store")).path },
      ),
    );
    this.#stack.use(await ControlPlane.start(network));
    done("the control plane answers");
    const boot = async (place: NodePlace) => {
      const node = this.#stack.use(new ClusterNode(place, { memoryMb }));
      this.#nodes.set(place.name, node);
      await node.up();
      done(`${place.name} has booted`);
    };
    await Promise.all(network.nodes.map(boot));
    writeKubectl(this.#namespace);
    await this.#listen();
  }

  async #listen(): Promise<void> {
    const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
      // Whoever asked may be gone before the answer.
      socket.on("error", () => undefined);
      void this.#answer(socket);
    });
    server.listen(places.socket);
    await once(server, "listening");
    this.#stack.defer(() => {
      server.close();
      rmSync(places.socket, { force: true });
    });
  }

  async #answer(socket: Socket): Promise<void> {
    let answer: KeeperAnswer;
    try {
      const { method, args } = JSON.parse(await received(socket)) as KeeperQuestion;
      const call = this[method] as (...given: readonly unknown[]) => Promise<unknown>;
      answer = { result: await call.apply(this, [...args]) };
    } catch (error) {
      answer = { error: String(error) };
    }
    socket.end(JSON.stringify(answer));
  }

  async about() {
    return { pid: process.pid, namespace: this.#namespace, nodes: [...this.#nodes.keys()] };
  }

  async run(node: string, script: string, timeoutMs: number) {
    return await this.#node(node).run(script, timeoutMs);
  }

  async powerCut(node: string): Promise<void> {
    await this.#node(node).powerCut();
  }

  async shutDown(node: string): Promise<void> {
    await this.#node(node).shutDown();
  }

  async powerOn(node: string): Promise<void> {
    await this.#node(node).up();
  }

  async store(state: "up" | "down" | "blackhole"): Promise<void> {
    await this.#store?.[state]();
  }

  #node(name: string): ClusterNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`There is no node ${name}`);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** What comes until the other side has said all; the socket stays open for the answer, which iterating over it would not leave. */
async function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "end");
  return Buffer.concat(chunks).toString();
}

/** A folder in memory that goes with its user: what the store keeps outlives its outages. */
function memoryFolder(name: string): Disposable & { readonly path: string } {
  const path = join("/dev/shm", `${guestTag}-${name}`);
  mkdirSync(path, { mode: 0o700 });
  const remove = () => rmSync(path, { recursive: true, force: true });
  const undo = undoWhenAbandoned(remove);
  return {
    path,
    [Symbol.dispose]() {
      undo[Symbol.dispose]();
      remove();
    },
  };
}

function makeCertificates(nodes: readonly string[]): void {
  if (nodes.every((name) => existsSync(join(places.certificates, `${name}-serving.crt`)))) return;
  rmSync(places.certificates, { recursive: true, force: true });
  const arguments_ = nodes.map((name, position) => `${name}=${nodeAddress(position + 1)}`);
  execFileSync(join(places.harness, "certificates.sh"), [places.certificates, ...arguments_], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function writeKubectl(namespace: string): void {
  const kubectl = join(places.bin, "kubectl");
  writeFileSync(
    places.kubectl,
    `#!/bin/sh\nexec ip netns exec ${namespace} '${kubectl}' --kubeconfig='${places.kubeconfig}' "$@"\n`,
  );
  chmodSync(places.kubectl, 0o755);
}
