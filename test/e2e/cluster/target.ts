import type { CommandResult } from "../../support/guest-channel.ts";
import type { S3Access, StoreClient } from "../../support/network-s3.ts";

/** A cluster with the driver in it, for scenarios: the local one, or kind. */
export interface Target extends AsyncDisposable {
  /** Runs kubectl and resolves to its output. @throws {Error} with what it said when it fails. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<string>;
  /** Names of the nodes on which pods run. */
  readonly nodes: readonly string[];
  /** Runs a bash script on a node, as root, beside kubelet. */
  onNode(node: string, script: string, timeoutMs?: number): Promise<CommandResult>;
  /** The namespace that the driver is installed in. */
  readonly driverNamespace: string;
  /** The store as any S3 client sees it. */
  readonly store: StoreClient;
  /** The store as nodes and pods reach it, and its keys. */
  readonly access: S3Access;
  /** An image with a shell that every node has. */
  readonly shellImage: string;
  /** What only a cluster of the tests' own can do; scenarios that need it are not run elsewhere. */
  readonly laboratory?: Laboratory;
}

/** Power, store and driver of a cluster in the hands of its tests. */
export interface Laboratory {
  /** Ends everything on a node at once; its disk keeps what was synced. */
  powerCut(node: string): Promise<void>;
  /** Ends a node in order, as its service manager would: resolves when it is off. */
  shutDown(node: string): Promise<void>;
  /** Boots a node that is off. */
  powerOn(node: string): Promise<void>;
  /** Ends the store's connections, lets it take requests without an answer, or lets it answer again. */
  setStore(state: "up" | "down" | "blackhole"): Promise<void>;
  /** Makes an image of the driver as it is, with another version, known on all nodes, and resolves to its name. */
  otherVersion(): Promise<string>;
  /** Installs the chart anew, or brings it back to what it was, and waits until all is ready. */
  installDriver(): Promise<void>;
  /** Runs helm. @throws {Error} with what it said when it fails. */
  helm(args: readonly string[]): Promise<string>;
}

/** How one kubectl runs. */
export interface KubectlOptions {
  /** Its standard input. */
  readonly input?: string;
  /** Default 120,000. */
  readonly timeoutMs?: number;
}
