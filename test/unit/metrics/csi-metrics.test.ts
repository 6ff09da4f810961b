import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { silentLog } from "../../../src/base/log.ts";
import { eventReasons } from "../../../src/kubernetes/events.ts";
import { CsiMetrics } from "../../../src/metrics/csi-metrics.ts";
import { MetricsEndpoint } from "../../../src/metrics/endpoint.ts";
import { MounterMetrics } from "../../../src/metrics/mounter-metrics.ts";

const docs = readFileSync(join(import.meta.dirname, "../../../docs/metrics.md"), "utf8");

function nodeMetrics(): CsiMetrics {
  const metrics = new CsiMetrics({ component: "node", version: "1.2.3" });
  metrics.addNode({
    maxVolumes: 40,
    read: () =>
      Promise.resolve({ stagedVolumes: 3, publishedTargets: 5, supervisorReachable: true }),
  });
  return metrics;
}

describe("Metrics", () => {
  it("count calls by RPC and status, and tell what is on the node when they are asked", async () => {
    const metrics = nodeMetrics();
    metrics.observe("NodeStageVolume", "OK", 0.2);
    metrics.observe("NodeStageVolume", "ABORTED", 0.1);
    await using endpoint = await MetricsEndpoint.open(
      { host: "127.0.0.1", port: 0 },
      { metrics, log: silentLog },
    );
    const url = `http://127.0.0.1:${endpoint.port}`;
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const line of [
      's3files_build_info{component="node",version="1.2.3"} 1',
      's3files_csi_operations_total{rpc="NodeStageVolume",code="ABORTED"} 1',
      's3files_csi_operation_duration_seconds_count{rpc="NodeStageVolume"} 2',
      "s3files_node_staged_volumes 3",
      "s3files_node_published_targets 5",
      "s3files_node_max_volumes 40",
      "s3files_node_supervisor_reachable 1",
    ]) {
      assert.ok(text.includes(`${line}\n`), line);
    }
    assert.equal((await fetch(`${url}/other`)).status, 404);
    assert.equal((await fetch(`${url}/metrics`, { method: "POST" })).status, 405);
  });

  it("and events are all in the documentation, and nothing else is", async () => {
    const read = () => Promise.resolve({ isReady: true, volumes: [] });
    const mounter = new MounterMetrics({ version: "1", read });
    const registries = [nodeMetrics().registry, mounter.registry];
    const all = await Promise.all(registries.map((registry) => registry.getMetricsAsJSON()));
    const names = all.flat().map(({ name }) => name);
    const shown = [...new Set(names)].filter((name) => name.startsWith("s3files_"));
    const [metrics = "", events = ""] = docs.split("## Events");
    const documented = [...metrics.matchAll(/^\| `(s3files_\w+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual([...documented].sort(), [...shown].sort());
    const rows = [...events.matchAll(/^\| (`[A-Z]\w+`(?:, `\w+`)*) \|/gm)].flatMap(
      ([, cell = ""]) => cell.split(", ").map((one) => one.slice(1, -1)),
    );
    assert.deepEqual(rows, [...eventReasons]);
  });

  it("of a mounter are sums over its volumes, and its health says whether it holds them all", async () => {
    let isReady = false;
    const usage = { pendingBytes: 5, oldestPendingMs: 1_500, usedBytes: 70 };
    const leftover = { pendingBytes: 2, oldestPendingMs: 9_000, lostAndFound: 3 };
    const metrics = new MounterMetrics({
      version: "1.2.3",
      read: () =>
        Promise.resolve({
          isReady,
          volumes: [
            { state: "running", restarts: 2, memoryKills: 1, usage },
            { state: "running", restarts: 0 },
            { state: "stopped", restarts: 0, leftover },
          ],
        }),
    });
    await using endpoint = await MetricsEndpoint.open(
      { host: "127.0.0.1", port: 0 },
      { metrics, log: silentLog, isReady: () => isReady },
    );
    const url = `http://127.0.0.1:${endpoint.port}`;
    const statusOf = async (path: string) => (await fetch(`${url}${path}`)).status;
    assert.deepEqual([await statusOf("/healthz"), await statusOf("/readyz")], [200, 503]);
    isReady = true;
    assert.equal(await statusOf("/readyz"), 200);
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const line of [
      's3files_mounter_volumes{state="running"} 2',
      's3files_mounter_volumes{state="stopped"} 1',
      "s3files_mounter_ready 1",
      "s3files_mounter_server_restarts 2",
      "s3files_mounter_memory_kills 1",
      "s3files_mounter_silent_volumes 1",
      "s3files_mounter_pending_bytes 7",
      "s3files_mounter_oldest_pending_seconds 9",
      "s3files_mounter_used_bytes 70",
      "s3files_mounter_lost_and_found 3",
    ]) {
      assert.ok(text.includes(`${line}\n`), line);
    }
  });
});
