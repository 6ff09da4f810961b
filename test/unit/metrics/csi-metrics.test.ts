import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { silentLog } from "../../../src/base/log.ts";
import { eventReasons } from "../../../src/kubernetes/events.ts";
import { CsiMetrics } from "../../../src/metrics/csi-metrics.ts";
import { MetricsEndpoint } from "../../../src/metrics/endpoint.ts";

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
    const shown = (await nodeMetrics().registry.getMetricsAsJSON())
      .map(({ name }) => name)
      .filter((name) => name.startsWith("s3files_"));
    const [metrics = "", events = ""] = docs.split("## Events");
    const documented = [...metrics.matchAll(/^\| `(s3files_\w+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual([...documented].sort(), [...shown].sort());
    const rows = [...events.matchAll(/^\| (`[A-Z]\w+`(?:, `\w+`)*) \|/gm)].flatMap(
      ([, cell = ""]) => cell.split(", ").map((one) => one.slice(1, -1)),
    );
    assert.deepEqual(rows, [...eventReasons]);
  });
});
