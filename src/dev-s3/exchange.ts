import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Account } from "./authenticate.ts";
import type { Context } from "./context.ts";
import type { Counters } from "./counters.ts";
import type { Faults } from "./faults.ts";
import type { Shaping } from "./shaping.ts";

/** What a request needs beside itself. */
export interface Exchange {
  readonly context: Context;
  readonly account: Account;
  readonly counters: Counters;
  readonly faults: Faults;
  readonly clock: Clock;
  readonly log: Log;
  /** Base host name of virtual-host style. */
  readonly domain: string | undefined;
  readonly shaping: Shaping;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
}
