import assert from "node:assert/strict";
import { jsonLog } from "../../../src/base/log.ts";
import type { ApiAnswer } from "../../../src/kubernetes/api.ts";
import { removeStartupTaint } from "../../../src/kubernetes/startup-taint.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const taint = { node: "node-1", driver: "s3files.csi.dev", key: "s3files.csi.dev/agent-not-ready" };

/** A cluster of one node, in memory. */
class FakeCluster {
  drivers: { name: string }[] = [];
  taints: { key: string; effect: string }[] = [
    { key: taint.key, effect: "NoExecute" },
    { key: "theirs", effect: "NoSchedule" },
  ];
  version = 1;
  status: number | undefined;
  conflicts = 0;
  asked = 0;

  send(method: string, path: string, body?: Record<string, unknown>): Promise<ApiAnswer> {
    this.asked += 1;
    if (this.status !== undefined) {
      return Promise.resolve({ status: this.status, body: { message: "nodes is forbidden" } });
    }
    if (path === "/apis/storage.k8s.io/v1/csinodes/node-1") {
      return Promise.resolve({ status: 200, body: { spec: { drivers: this.drivers } } });
    }
    assert.equal(path, "/api/v1/nodes/node-1");
    if (method === "PATCH") {
      const { metadata, spec } = body as {
        metadata: { resourceVersion: string };
        spec: { taints: FakeCluster["taints"] };
      };
      if (metadata.resourceVersion !== String(this.version) || this.conflicts-- > 0) {
        return Promise.resolve({ status: 409, body: {} });
      }
      this.taints = spec.taints;
      this.version += 1;
    }
    const metadata = { resourceVersion: String(this.version) };
    return Promise.resolve({ status: 200, body: { metadata, spec: { taints: this.taints } } });
  }
}

describe("The startup taint", () => {
  let clock: FakeClock;
  let cluster: FakeCluster;
  let lines: string[];
  let over: boolean;
  let stop: AbortController;
  beforeEach(() => {
    clock = new FakeClock();
    cluster = new FakeCluster();
    [lines, over, stop] = [[], false, new AbortController()];
  });
  const start = () => {
    const log = jsonLog({ level: "warn", fields: {} }, (line) => lines.push(line));
    const { signal } = stop;
    return removeStartupTaint(taint, { api: cluster, clock, log, signal }).then(() => {
      over = true;
    });
  };
  /** Lets the driver ask so many times. */
  const asked = async (times: number) => {
    while (cluster.asked < times) await clock.advance(2_000);
  };

  it("stays until kubelet has registered the driver, and goes without touching others", async () => {
    const removal = start();
    await asked(3);
    assert.equal(cluster.taints.length, 2);
    cluster.drivers.push({ name: taint.driver });
    while (!over) await clock.advance(2_000);
    await removal;
    assert.deepEqual(cluster.taints, [{ key: "theirs", effect: "NoSchedule" }]);
  });

  it("is tried again when somebody else has changed the node", async () => {
    cluster.drivers.push({ name: taint.driver });
    cluster.conflicts = 2;
    const removal = start();
    while (!over) await clock.advance(2_000);
    await removal;
    assert.equal(cluster.taints.length, 1);
  });

  it("that may not be removed is complained of once a minute, until the process ends", async () => {
    cluster.status = 403;
    const removal = start();
    await asked(20);
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /403: nodes is forbidden/);
    stop.abort();
    await removal;
  });
});
