/** Where the servers under test run. */
export interface BenchPlace {
  /** Network namespace of this machine that the guest is connected to. */
  readonly namespace: string;
  /** The guest reaches the servers under this address. */
  readonly hostAddress: string;
  /** On this machine's disk, for the servers' data. */
  readonly folder: string;
}

/** A running NFS server to measure; disposal ends it. */
export interface BenchTarget extends AsyncDisposable {
  readonly name: string;
  /** `<address>:<path>` to mount. */
  readonly source: string;
  /** Mount options besides those that all targets get; begins with a comma unless empty. */
  readonly options: string;
}
