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
}

/** How one kubectl runs. */
export interface KubectlOptions {
  /** Its standard input. */
  readonly input?: string;
  /** Default 120,000. */
  readonly timeoutMs?: number;
}
