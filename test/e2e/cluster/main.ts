/**
 * The test cluster's command line: `node test/e2e/cluster/main.ts start [nodes] | stop | keep [nodes]`. `start` leaves a
 * cluster running with the driver in it, of two nodes unless told otherwise; `stop` ends it; `keep` is the process that
 * owns it.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { installDriver } from "./driver.ts";
import { Keeper } from "./keeper.ts";
import { askKeeper, runningCluster } from "./keeper-client.ts";
import { localTarget } from "./local-target.ts";
import { places } from "./places.ts";

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function start(nodes: string): Promise<void> {
  const running = await runningCluster();
  if (running === undefined) await startKeeper(nodes);
  else say(`a cluster runs already (process ${running.pid})`);
  await using target = await localTarget();
  await installDriver(target, say);
  say(`Try it: ${places.kubectl} get pods -A`);
  say("End it: make cluster-stop");
}

async function startKeeper(nodes: string): Promise<void> {
  mkdirSync(places.logs, { recursive: true });
  const logPath = join(places.logs, "keeper.log");
  const log = openSync(logPath, "w");
  const keeper = spawn(process.execPath, [import.meta.filename, "keep", nodes], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  keeper.unref();
  let shown = 0;
  for (;;) {
    const lines = readFileSync(logPath, "utf8");
    process.stdout.write(lines.slice(shown));
    shown = lines.length;
    if ((await runningCluster()) !== undefined) return;
    if (keeper.exitCode !== null) throw new Error(`The cluster did not start; see ${places.logs}`);
    await after(200);
  }
}

async function stop(): Promise<void> {
  const running = await runningCluster();
  if (running === undefined) return say("no cluster runs");
  process.kill(running.pid, "SIGTERM");
  for (let tries = 0; tries < 600; tries++) {
    await after(100);
    try {
      process.kill(running.pid, 0);
    } catch {
      return say("the cluster has ended"); // No such process.
    }
  }
  throw new Error(`Process ${running.pid} does not end`);
}

async function keep(count: string): Promise<void> {
  const nodes = Array.from({ length: Number(count) }, (_, i) => `node-${i + 1}`);
  if (nodes.length === 0) throw new Error(`'${count}' is no number of nodes`);
  // A signal ends everything that was started, see abandon.ts.
  await Keeper.start({ nodes, memoryMb: 3000, say });
}

if (import.meta.main) {
  const [command = "", ...rest] = process.argv.slice(2);
  switch (command) {
    case "start":
      await start(rest[0] ?? "2");
      break;
    case "stop":
      await stop();
      break;
    case "keep":
      await keep(rest[0] ?? "2");
      break;
    case "on": {
      const [node = "", script = ""] = rest;
      const { code, output } = await askKeeper("run", node, script, 600_000);
      process.stdout.write(`${output}\n`);
      process.exitCode = code;
      break;
    }
    default:
      say("main.ts start [nodes] | stop | keep [nodes] | on <node> <script>");
      process.exitCode = 2;
  }
}
