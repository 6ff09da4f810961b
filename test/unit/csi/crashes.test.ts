import assert from "node:assert/strict";
import type { CsiClient, ProvisionedVolume } from "../../support/csi-client.ts";
import { mountCapabilityOf } from "../../support/csi-client.ts";
import { FakeWorld, startFakeDriver } from "../../support/fake-driver.ts";

const stagingPath = "/csi-staging";
const targetPath = "/csi-mount/target";
const volume: ProvisionedVolume = {
  volumeId: "static",
  volumeContext: { bucket: "team" },
  capacityBytes: 0,
};
const capability = {
  ...mountCapabilityOf("SINGLE_NODE_MULTI_WRITER"),
  mount: { volumeMountGroup: "2000" },
};

type Step = (client: CsiClient) => Promise<void>;
const stage: Step = (client) => client.stage(volume, { stagingPath, capability });
const publish: Step = (client) => client.publish(volume, { stagingPath, targetPath, capability });
const unpublish: Step = (client) => client.unpublish("static", targetPath);
const unstage: Step = (client) => client.unstage("static", stagingPath);
const undo = [unpublish, unstage];

/** A world whose node dependencies stop working after a number of calls, as if the process had died there. */
class MortalWorld extends FakeWorld {
  /** Calls that change something and still work. */
  left = Number.POSITIVE_INFINITY;

  override node(): ReturnType<FakeWorld["node"]> {
    const node = super.node();
    const { journal, servers, mounter } = node;
    return {
      ...node,
      journal: this.#mortal(journal, ["write", "remove"]),
      servers: this.#mortal(servers, ["start", "setGroups", "flush", "leave", "stop"]),
      mounter: this.#mortal(mounter, [
        ...["makeDirectory", "removeDirectory", "mountVolume", "bind", "writeBack", "unmount"],
      ]),
    };
  }

  #mortal<T extends object>(of: T, changing: readonly string[]): T {
    return new Proxy(of, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== "function") return method;
        return (...args: readonly unknown[]) => {
          // What only looks works as long as anything does; a dead process does nothing at all.
          if (changing.includes(String(name)) && this.left-- <= 0) this.left = -1;
          if (this.left < 0) return Promise.reject(new Error("The process has died"));
          return method.apply(target, args);
        };
      },
    });
  }
}

async function stateOf(world: FakeWorld): Promise<unknown> {
  const record = await world.journal.read("static");
  return {
    mounts: world.mounter.table.map(({ mountPoint, options }) => [mountPoint, options]),
    // The staging path is kubelet's.
    directories: [...world.mounter.directories.keys()].filter((path) => path !== stagingPath),
    running: [...world.servers.running.keys()],
    groups: world.servers.running.size === 0 ? undefined : world.servers.groups.get("static"),
    records: [...world.servers.records],
    state: record?.state,
    publications: record?.publications,
  };
}

/** Runs `steps` in a world that has seen `before`, each with a fresh process; the last one's process dies after `calls`. */
async function run(
  before: readonly Step[],
  step: Step,
  calls: number,
  after: readonly Step[],
): Promise<{ readonly state: unknown; readonly died: boolean }> {
  const world = new MortalWorld();
  const alone = async (one: Step, left: number): Promise<boolean> => {
    world.left = left;
    const { client, close } = await startFakeDriver(world);
    try {
      await one(client);
      return false;
    } catch (error) {
      if (world.left < 0) return true;
      throw error;
    } finally {
      await close();
    }
  };
  for (const one of before) await alone(one, Number.POSITIVE_INFINITY);
  const died = await alone(step, calls);
  for (const one of after) await alone(one, Number.POSITIVE_INFINITY);
  return { state: await stateOf(world), died };
}

describe("A node plugin that dies after each step of a call", function () {
  this.timeout(60_000);
  const calls = { stage: [], publish: [stage], unpublish: [stage, publish], unstage: [stage] };
  for (const [name, before] of Object.entries(calls)) {
    const step = { stage, publish, unpublish, unstage }[name] ?? assert.fail();

    it(`finishes ${name} when the call comes again`, async () => {
      const wanted = await run(before, step, Number.POSITIVE_INFINITY, []);
      assert.equal(wanted.died, false);
      let steps = 0;
      for (;;) {
        const { state, died } = await run(before, step, steps, [step]);
        assert.deepEqual(state, wanted.state, `after ${steps} steps`);
        if (!died) break;
        steps++;
      }
      assert.ok(steps >= 3, `${steps} steps`);
    });

    it(`leaves nothing behind when the pod is gone after a ${name} that was cut off`, async () => {
      for (let steps = 0; ; steps++) {
        const { state, died } = await run(before, step, steps, undo);
        const nothing = {
          mounts: [],
          records: [],
          running: [],
          groups: undefined,
          state: undefined,
        };
        assert.deepEqual(
          state,
          { ...nothing, directories: [], publications: undefined },
          `after ${steps} steps`,
        );
        if (!died) break;
      }
    });
  }
});
