import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** From a metadata call to the longest wait for a flush, in seconds. */
const durationBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** What a controller or node process counts. Names and meanings: docs/metrics.md. */
export class CsiMetrics {
  readonly registry = new Registry();
  readonly #operations: Counter<"rpc" | "code">;
  readonly #durations: Histogram<"rpc">;
  #refresh: () => Promise<void> = () => Promise.resolve();

  constructor(process: { readonly component: "controller" | "node"; readonly version: string }) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: "s3files_build_info",
      help: "Always 1; the labels say what runs",
      labelNames: ["component", "version"],
      registers,
    }).set({ ...process }, 1);
    this.#operations = new Counter({
      name: "s3files_csi_operations_total",
      help: "Answered CSI calls by RPC and gRPC status",
      labelNames: ["rpc", "code"],
      registers,
    });
    this.#durations = new Histogram({
      name: "s3files_csi_operation_duration_seconds",
      help: "Time from a CSI call to its answer",
      labelNames: ["rpc"],
      buckets: durationBuckets,
      registers,
    });
  }

  /** Counts an answered call. */
  readonly observe = (rpc: string, code: string, seconds: number): void => {
    this.#operations.inc({ rpc, code });
    this.#durations.observe({ rpc }, seconds);
  };

  /** Adds what a node asks for when it is scraped. What `read` rejects with fails the scrape. */
  addNode(node: {
    readonly maxVolumes: number;
    read(): Promise<{
      readonly stagedVolumes: number;
      readonly publishedTargets: number;
      readonly supervisorReachable: boolean;
    }>;
  }): void {
    const gauge = (name: string, help: string) =>
      new Gauge({ name, help, registers: [this.registry] });
    const staged = gauge("s3files_node_staged_volumes", "Volumes mounted on this node");
    const targets = gauge("s3files_node_published_targets", "Mounts of volumes in pods");
    const reachable = gauge(
      "s3files_node_supervisor_reachable",
      "1 while the supervisor of this node answers",
    );
    gauge("s3files_node_max_volumes", "Volumes that fit on this node; 0: no limit").set(
      node.maxVolumes,
    );
    this.#refresh = async () => {
      const now = await node.read();
      staged.set(now.stagedVolumes);
      targets.set(now.publishedTargets);
      reachable.set(now.supervisorReachable ? 1 : 0);
    };
  }

  /** Prometheus' content type for {@link text}. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** Everything, as Prometheus reads it. Rejects with what the node's `read` rejects with. */
  async text(): Promise<string> {
    await this.#refresh();
    return await this.registry.metrics();
  }
}
