import { collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** A volume of the node, as far as it is counted. `usage` is absent when its server does not tell. */
export interface CountedVolume {
  readonly state: "starting" | "running" | "restarting" | "stopping" | "stopped";
  readonly restarts: number;
  readonly memoryKills?: number;
  readonly usage?: {
    readonly pendingBytes: number;
    readonly oldestPendingMs: number;
    readonly usedBytes: number;
    readonly conflicts?: number;
  };
  readonly leftover?: {
    readonly pendingBytes: number;
    readonly oldestPendingMs: number;
    readonly lostAndFound: number;
  };
}

const states = ["starting", "running", "restarting", "stopping", "stopped"] as const;

/** What a supervisor shows of itself and of its volumes' servers. Names and meanings: docs/metrics.md. */
export class MounterMetrics {
  readonly registry = new Registry();
  readonly #refresh: () => Promise<void>;

  /** `read` is asked at each scrape; what it rejects with fails the scrape. */
  constructor(options: {
    readonly version: string;
    read(): Promise<{ readonly isReady: boolean; readonly volumes: readonly CountedVolume[] }>;
  }) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
    new Gauge({
      name: "s3files_build_info",
      help: "Always 1; the labels say what runs",
      labelNames: ["component", "version"],
      registers,
    }).set({ component: "mounter", version: options.version }, 1);
    const volumes = new Gauge({
      name: "s3files_mounter_volumes",
      help: "Volumes that the node serves or has something left of, by state",
      labelNames: ["state"],
      registers,
    });
    const ready = gauge("s3files_mounter_ready", "1 while all volumes are in its hands");
    const restarts = gauge(
      "s3files_mounter_server_restarts",
      "Servers started after a volume's first, of the volumes there are now",
    );
    const kills = gauge(
      "s3files_mounter_memory_kills",
      "Servers killed over their memory limit, of the volumes there are now",
    );
    const silent = gauge(
      "s3files_mounter_silent_volumes",
      "Volumes whose pending data is not known: their server does not tell",
    );
    const pending = gauge("s3files_mounter_pending_bytes", "Bytes that S3 does not have yet");
    const oldest = gauge("s3files_mounter_oldest_pending_seconds", "Age of the oldest such change");
    const used = gauge("s3files_mounter_used_bytes", "Sizes of the files of running volumes");
    const lost = gauge("s3files_mounter_lost_and_found", "Names in lost+found of stopped volumes");
    const conflicts = gauge(
      "s3files_mounter_conflicts",
      "Local versions that S3 has won over, of running volumes",
    );
    this.#refresh = async () => {
      const now = await options.read();
      ready.set(now.isReady ? 1 : 0);
      for (const state of states) {
        volumes.set({ state }, now.volumes.filter((one) => one.state === state).length);
      }
      const sum = (of: (volume: CountedVolume) => number | undefined) =>
        now.volumes.reduce((total, volume) => total + (of(volume) ?? 0), 0);
      restarts.set(sum((volume) => volume.restarts));
      kills.set(sum((volume) => volume.memoryKills));
      const known = (volume: CountedVolume) => volume.usage ?? volume.leftover;
      silent.set(sum((volume) => (known(volume) === undefined ? 1 : 0)));
      pending.set(sum((volume) => known(volume)?.pendingBytes));
      oldest.set(
        Math.max(0, ...now.volumes.map((volume) => known(volume)?.oldestPendingMs ?? 0)) / 1_000,
      );
      used.set(sum((volume) => volume.usage?.usedBytes));
      conflicts.set(sum((volume) => volume.usage?.conflicts));
      lost.set(sum((volume) => volume.leftover?.lostAndFound));
    };
  }

  /** Prometheus' content type for {@link text}. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** Everything, as Prometheus reads it. Rejects with what `read` rejects with. */
  async text(): Promise<string> {
    await this.#refresh();
    return await this.registry.metrics();
  }
}
