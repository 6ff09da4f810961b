import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { abilities, abilityNames, noneProved, type StoreAbilities } from "./abilities.ts";
import { type ProbedStore, type ProbeReport, probeStore } from "./probe.ts";

/** Where what was found out is kept: one text, on the disk when `save` returns or soon after. */
export interface ProbeRecords {
  load(): string | undefined;
  save(text: string): void;
}

/** A report with its time and the store that it is about. */
export interface ProbeRecord extends ProbeReport {
  readonly format: 1;
  /** Endpoint and bucket. */
  readonly place: string;
  readonly atMs: number;
}

/** A store may be upgraded, or another may have taken its place. */
const believedMs = 7 * 24 * 3_600_000;
/** A mount does not wait longer for the answers; they may come later. */
const patienceMs = 10_000;
const probeLimitMs = 120_000;

/**
 * What is known of a volume's store. Until something was proved, and where it was not, the degraded modes of the
 * table of abilities apply.
 */
export class StoreKnowledge {
  readonly #options: { readonly place: string; readonly prefix: string; readonly id: string };
  readonly #store: ProbedStore;
  readonly #records: ProbeRecords;
  readonly #clock: Clock;
  readonly #log: Log;
  #record: ProbeRecord | undefined;
  #running: Promise<void> | undefined;

  /** `id` names this state folder: canaries of an earlier process of it are cleaned up. */
  constructor(
    options: { readonly place: string; readonly prefix: string; readonly id: string },
    dependencies: {
      readonly store: ProbedStore;
      readonly records: ProbeRecords;
      readonly clock: Clock;
      readonly log: Log;
    },
  ) {
    this.#options = options;
    this.#store = dependencies.store;
    this.#records = dependencies.records;
    this.#clock = dependencies.clock;
    this.#log = dependencies.log;
    this.#record = parseProbeRecord(this.#records.load(), options.place);
  }

  /** What may be relied on now. */
  get abilities(): StoreAbilities {
    return this.#record?.abilities ?? noneProved;
  }

  /** See `ProbeReport.initiator`. */
  get initiator(): string | undefined {
    return this.#record?.initiator;
  }

  /**
   * Asks the store, unless that was done of late. Never rejects: what goes wrong is logged, and the degraded modes
   * apply. Resolves at the latest after 10 s; a slow store is asked on until `signal` is aborted.
   */
  async learn(signal: AbortSignal): Promise<void> {
    const nowMs = this.#nowMs();
    const known = this.#record;
    if (known?.isComplete === true && nowMs - known.atMs < believedMs) return;
    this.#running ??= this.#probe(AbortSignal.any([signal, AbortSignal.timeout(probeLimitMs)]))
      .catch((error: unknown) => {
        this.#log.warn("The store could not be probed: degraded modes apply", { error });
      })
      .finally(() => {
        this.#running = undefined;
      });
    const late = Promise.withResolvers<void>();
    const cancel = this.#clock.schedule(patienceMs, late.resolve);
    await Promise.race([this.#running, late.promise]);
    cancel();
  }

  /** Resolves when no question is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { place, prefix, id } = this.#options;
    const report = await probeStore(this.#store, { prefix, id, nowMs: this.#nowMs() }, { signal });
    // What was proved before stays so while the store cannot be asked.
    if (!report.isComplete && this.#record?.isComplete === true) {
      this.#log.warn("The store could not be probed again", { errors: report.errors });
      return;
    }
    this.#record = { ...report, format: 1, place, atMs: this.#nowMs() };
    this.#records.save(JSON.stringify(this.#record));
    if (!report.isComplete) {
      this.#log.warn("The store could not be probed whole: degraded modes apply", {
        errors: report.errors,
      });
    }
    for (const name of abilityNames) {
      const outcome = report.abilities[name];
      if (outcome === "honoured" || "isMinor" in abilities[name]) continue;
      const { label, degraded } = abilities[name];
      this.#log.warn("A degraded mode applies", { ability: label, outcome, instead: degraded });
    }
  }

  #nowMs(): number {
    return Number(this.#clock.nowNs() / 1_000_000n);
  }
}

/** The record in a text; undefined when there is none, or it is of another place or an unknown format. */
export function parseProbeRecord(text: string | undefined, place: string): ProbeRecord | undefined {
  if (text === undefined) return undefined;
  const record = JSON.parse(text) as ProbeRecord;
  if (record.format !== 1 || record.place !== place) return undefined;
  // An ability that this release has added was not asked for.
  const isWhole = abilityNames.every((name) => record.abilities[name] !== undefined);
  return {
    ...record,
    abilities: { ...noneProved, ...record.abilities },
    isComplete: record.isComplete && isWhole,
  };
}
