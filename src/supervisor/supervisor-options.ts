/** Where a supervisor keeps its things and how it starts servers. */
export interface SupervisorOptions {
  /** On tmpfs: sockets, locks, pins, credentials. */
  readonly runDir: string;
  /** On the node's disk: the volumes' folders. */
  readonly stateDir: string;
  /** Path of s3files-launcher. */
  readonly launcher: string;
  /** Starts servers without PR_SET_IO_FLUSHER where the capability is missing; for tests. */
  readonly allowNoIoFlusher: boolean;
  /** How a server is executed: Node, and the arguments before those that name the volume (`main.js`, `serve`). */
  readonly server: { readonly node: string; readonly args: readonly string[] };
}
