import type { OperationName } from "./operation-name.ts";

/**
 * What goes wrong:
 * `status` answers with that status and executes nothing · `reset` resets the connection before executing ·
 * `lostResponse` executes, then resets the connection · `delay` waits before executing · `hold` waits for a
 * promise, before or after executing · `blackhole` never answers · `cut` resets the connection after
 * `afterBytes` of the answer's body · `errorIn200` executes, then answers 200 with an error document, as AWS
 * may do for CopyObject, UploadPartCopy and CompleteMultipartUpload.
 */
export type FaultAction =
  | { readonly kind: "status"; readonly status: number; readonly code?: string }
  | { readonly kind: "reset" }
  | { readonly kind: "lostResponse" }
  | { readonly kind: "delay"; readonly delayMs: number }
  | {
      readonly kind: "hold";
      readonly until: Promise<unknown>;
      readonly when?: "before" | "after";
    }
  | { readonly kind: "blackhole" }
  | { readonly kind: "cut"; readonly afterBytes: number }
  | { readonly kind: "errorIn200"; readonly code?: string };

/** Which requests a fault hits: all that match, unless `nth`, `every` or `times` say less. */
export interface FaultRule {
  readonly operation?: OperationName;
  readonly bucket?: string;
  /** Tested against the whole key; operations on a bucket have the key `""`. */
  readonly key?: RegExp;
  /** Only the nth matching request, counted from 1. */
  readonly nth?: number;
  /** Only each nth matching request: the `every`-th, the 2·`every`-th and so on. */
  readonly every?: number;
  /** At most so many hits. */
  readonly times?: number;
  readonly action: FaultAction;
}

/** An added rule. */
export interface Fault extends Disposable {
  /** Requests hit so far. */
  readonly hits: number;
  remove(): void;
}

interface Entry {
  readonly rule: FaultRule;
  matched: number;
  hits: number;
}

/** The rules in force, in the order added. */
export class Faults {
  readonly #entries = new Set<Entry>();

  /** Puts a rule in force until it is removed or disposed. */
  add(rule: FaultRule): Fault {
    const entry: Entry = { rule, matched: 0, hits: 0 };
    this.#entries.add(entry);
    const remove = (): void => {
      this.#entries.delete(entry);
    };
    return {
      get hits() {
        return entry.hits;
      },
      remove,
      [Symbol.dispose]: remove,
    };
  }

  /** Removes all rules. */
  clear(): void {
    this.#entries.clear();
  }

  /** The actions that hit this request, in the order of their rules; counts the match. */
  match(operation: OperationName, bucket: string, key: string): FaultAction[] {
    const actions: FaultAction[] = [];
    for (const entry of this.#entries) {
      const { rule } = entry;
      if (rule.operation !== undefined && rule.operation !== operation) continue;
      if (rule.bucket !== undefined && rule.bucket !== bucket) continue;
      if (rule.key !== undefined && key.search(rule.key) === -1) continue;
      entry.matched++;
      if (rule.nth !== undefined && entry.matched !== rule.nth) continue;
      if (rule.every !== undefined && entry.matched % rule.every !== 0) continue;
      if (rule.times !== undefined && entry.hits >= rule.times) continue;
      entry.hits++;
      actions.push(rule.action);
    }
    return actions;
  }
}
