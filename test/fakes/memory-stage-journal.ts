import type { StageJournal, StageRecord } from "../../src/csi/stage-journal.ts";

/** Records in memory, as text, so that only what survives JSON survives here. */
export class MemoryStageJournal implements StageJournal {
  readonly #records = new Map<string, string>();

  async read(volumeId: string): Promise<StageRecord | undefined> {
    const text = this.#records.get(volumeId);
    return await Promise.resolve(text === undefined ? undefined : JSON.parse(text));
  }

  async list(): Promise<readonly StageRecord[]> {
    return await Promise.resolve([...this.#records.values()].map((text) => JSON.parse(text)));
  }

  async write(record: StageRecord): Promise<void> {
    this.#records.set(record.volumeId, JSON.stringify(record));
    await Promise.resolve();
  }

  async remove(volumeId: string): Promise<void> {
    this.#records.delete(volumeId);
    await Promise.resolve();
  }
}
