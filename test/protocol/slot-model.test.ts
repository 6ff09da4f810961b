import assert from "node:assert/strict";
import fc from "fast-check";
import { ask } from "../support/nfs-attributes.ts";
import type { CompoundAnswer, NfsClient } from "../support/nfs-client.ts";
import { mkdir, namesIn, putFh, rootOf } from "../support/nfs-files.ts";
import { type Operation, op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

/** What happens to the next request on the slot, or between two requests. */
type Step =
  | { readonly kind: "change" | "look" | "repeat" | "kill" | "stray" }
  | { readonly kind: "killed"; readonly at: "createNode" | "getAttributes" }
  | { readonly kind: "killedInLook" };

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom<Step>(
    { kind: "change" },
    { kind: "look" },
    { kind: "repeat" },
    { kind: "kill" },
    { kind: "stray" },
    { kind: "killedInLook" },
  ),
  fc.record({
    kind: fc.constant("killed" as const),
    at: fc.constantFrom("createNode" as const, "getAttributes" as const),
  }),
);

/** A client with one slot, which never gives a request up and never sends the next before the answer. */
class SlotUser {
  readonly world: NfsWorld;
  readonly root: Uint8Array;
  client: NfsClient;
  made = 0;
  #last: CompoundAnswer | undefined;
  #lastChanged = false;
  #sequenceId = 0;

  constructor(world: NfsWorld, client: NfsClient, root: Uint8Array) {
    this.world = world;
    this.client = client;
    this.root = root;
  }

  static async start(): Promise<SlotUser> {
    const world = new NfsWorld();
    const client = await world.mount();
    return new SlotUser(world, client, await rootOf(client));
  }

  #request(changes: boolean): readonly Operation[] {
    this.#sequenceId += 1;
    if (!changes) return [putFh(this.root), op("GETATTR", { attr_request: ask("change") })];
    this.made += 1;
    return [
      putFh(this.root),
      mkdir(`${this.made}`, { mode: 0o700 }),
      op("GETFH"),
      op("GETATTR", { attr_request: ask("type") }),
    ];
  }

  #send(list: readonly Operation[]): Promise<CompoundAnswer> {
    return this.client.call(list, {
      slot: 5,
      sequenceId: this.#sequenceId,
      cacheThis: false,
    });
  }

  #restart(): void {
    const { session } = this.client;
    this.world.kill();
    this.client = this.world.reconnect(session);
  }

  #answered(answer: CompoundAnswer, changed: boolean): void {
    assert.equal(answer.status, "NFS4_OK");
    this.#last = answer;
    this.#lastChanged = changed;
  }

  async #killedIn(changes: boolean, at: "createNode" | "getAttributes"): Promise<void> {
    const list = this.#request(changes);
    const held = this.world.hold(at);
    const lost = this.#send(list);
    await held.reached;
    this.#restart();
    await assert.rejects(lost);
    this.#answered(await this.#send(list), changes);
  }

  async step(step: Step): Promise<void> {
    switch (step.kind) {
      case "change":
      case "look": {
        const changes = step.kind === "change";
        this.#answered(await this.#send(this.#request(changes)), changes);
        return;
      }
      case "repeat": {
        if (this.#last === undefined) return;
        const again = await this.client.resend(this.#last.request);
        if (this.#lastChanged) assert.deepEqual(again.bytes, this.#last.bytes);
        else assert.equal(again.statusOf("SEQUENCE"), "NFS4_OK");
        return;
      }
      case "kill":
        this.#restart();
        return;
      case "killed":
        return this.#killedIn(true, step.at);
      case "killedInLook":
        return this.#killedIn(false, "getAttributes");
      case "stray": {
        // A request of long ago, delayed in the network.
        if (this.#sequenceId < 2) return;
        const stray = await this.client.call([putFh(this.root)], {
          slot: 5,
          sequenceId: this.#sequenceId - 2,
        });
        assert.match(stray.status, /SEQ_MISORDERED|SEQ_FALSE_RETRY/);
        return;
      }
    }
  }
}

describe("A slot, whatever is repeated and whenever the server dies,", () => {
  it("executes each request that changes something exactly once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async (list) => {
        const user = await SlotUser.start();
        for (const step of list) await user.step(step);
        const names = await namesIn(user.client, user.root, 60_000);
        assert.deepEqual(
          names,
          Array.from({ length: user.made }, (_, at) => `${at + 1}`),
        );
        await user.world.end();
      }),
      { numRuns: 60 },
    );
  });
});
