import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { type Log, silentLog } from "../../src/base/log.ts";
import type { OpenBucketOperations } from "../../src/csi/bucket-operations.ts";
import type { ControllerDependencies } from "../../src/csi/create-volume.ts";
import type { NodeDependencies } from "../../src/csi/node-dependencies.ts";
import { CsiServer } from "../../src/csi/server.ts";
import type { ClusterEvent, Events } from "../../src/kubernetes/events.ts";
import { FakeMounter } from "../fakes/fake-mounter.ts";
import { FakeVolumeServers } from "../fakes/fake-volume-servers.ts";
import { MemoryBucketOperations } from "../fakes/memory-bucket-operations.ts";
import { MemoryStageJournal } from "../fakes/memory-stage-journal.ts";
import { CsiClient } from "./csi-client.ts";

/** What the driver's configuration says of its stores. */
export const fakeConnections = {
  default: { region: "us-east-1", endpoint: "http://127.0.0.1:9000" },
  backup: { region: "eu-west-1", endpoint: "http://127.0.0.1:9001" },
};

/** The outside world of a driver process, which outlives its restarts. */
export class FakeWorld {
  readonly mounter = new FakeMounter();
  readonly servers = new FakeVolumeServers();
  readonly buckets = new MemoryBucketOperations();
  readonly journal = new MemoryStageJournal();
  /** What was said to the cluster, in order. */
  readonly said: ClusterEvent[] = [];
  readonly events: Events = { emit: (event) => this.said.push(event) };
  maxVolumesPerNode = 0;
  controllerClock: Clock = systemClock;
  /** What the controller asked a store with. */
  readonly opened: Parameters<OpenBucketOperations>[] = [];

  controller(): ControllerDependencies {
    return {
      connections: fakeConnections,
      openBuckets: (...asked) => {
        this.opened.push(asked);
        return this.buckets;
      },
      events: this.events,
      clock: this.controllerClock,
    };
  }

  node(): NodeDependencies {
    return {
      nodeId: "node-1",
      maxVolumesPerNode: this.maxVolumesPerNode,
      events: this.events,
      connections: fakeConnections,
      journal: this.journal,
      servers: this.servers,
      mounter: this.mounter,
      clock: systemClock,
    };
  }
}

/** Controller and node in this process over `world`, on a socket in a temporary folder. */
export async function startFakeDriver(
  world: FakeWorld,
  log: Log = silentLog,
): Promise<{ readonly client: CsiClient; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "s3files-csi-"));
  const server = new CsiServer({
    identity: { version: "0.1.0", isReady: () => world.servers.isReachable() },
    controller: world.controller(),
    node: world.node(),
    log,
  });
  await server.listen(join(folder, "csi.sock"));
  const endpoint = `unix://${join(folder, "csi.sock")}`;
  const client = new CsiClient({ controllerEndpoint: endpoint, nodeEndpoint: endpoint });
  return {
    client,
    async close() {
      client[Symbol.dispose]();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
