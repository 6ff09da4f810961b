// A program in place of `s3files serve`: speaks the control protocol, answers each connection at descriptor 3
// with its pid, and behaves as its volume's bucket is called: `missing` and `denied` are S3's answers,
// `pending` leaves data behind, `broken` ends at once.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { jsonLog } from "../../src/base/log.ts";
import { ServerTurn } from "../../src/cli/server-turn.ts";
import { ControlError } from "../../src/control/error.ts";
import { ControlListener } from "../../src/control/listener.ts";
import type { ServerMethods } from "../../src/control/messages.ts";
import { readVolumeRecord, specDigest, writeLeftover } from "../../src/control/volume-folder.ts";

const { values } = parseArgs({
  options: {
    "volume-dir": { type: "string", default: "" },
    "control-socket": { type: "string", default: "" },
    "listen-fd": { type: "string", default: "3" },
    credentials: { type: "string" },
    prepare: { type: "string" },
    launcher: { type: "string", default: "" },
    "allow-no-io-flusher": { type: "boolean" },
  },
});
const folder = values["volume-dir"];
const spec = readVolumeRecord(folder)?.spec;
if (spec === undefined) throw new Error(`No volume in ${folder}`);
const log = jsonLog(
  { level: "info", fields: { component: "fake", volumeId: spec.volumeId } },
  (line) => process.stderr.write(line),
);
if (spec.bucket === "broken") {
  process.stderr.write("these are no JSON\n");
  process.exit(3);
}

const pendingBytes = spec.bucket === "pending" ? 4096 : 0;
const pending = { pendingBytes, oldestPendingMs: pendingBytes > 0 ? 7000 : 0 };
const { capacityBytes } = spec;
const usage = { ...pending, capacityBytes, usedBytes: 10, usedInodes: 2 };
let isReady = false;
let connections = 0;

const turn = values.prepare === undefined ? undefined : new ServerTurn(values);
const status = () => ({
  ...{ volumeId: spec.volumeId, pid: process.pid, ready: isReady },
  specDigest: specDigest(spec),
});

const listener = await ControlListener.open<ServerMethods>(
  { path: values.prepare ?? values["control-socket"], replace: values.prepare !== undefined },
  {
    log,
    handlers: {
      begin: async (_, signal) => {
        await turn?.take(signal);
        return status();
      },
      ready: () => {
        if (spec.bucket === "missing")
          throw new ControlError("noSuchBucket", "no bucket 'missing'");
        const keys =
          values.credentials === undefined ? "" : readFileSync(values.credentials, "utf8");
        if (spec.bucket === "denied" && !keys.includes("good")) {
          throw new ControlError("denied", "bucket 'denied': AccessDenied");
        }
        isReady = true;
        return {};
      },
      lost: () => ({ directory: "lost", files: [{ name: "a", sizeBytes: 3, changedMs: 0 }] }),
      status,
      usage: () => usage,
      flush: ({ timeoutMs }) => {
        // A test kills the server while it answers this.
        if (timeoutMs === 1234 && !existsSync(join(folder, "asked"))) {
          return new Promise<never>(() => {});
        }
        return pending;
      },
      groups: () => ({}),
      leave: () => ({ left: pendingBytes === 0 }),
      counters: () => ({ connections }),
      end: () => {
        process.kill(process.pid, "SIGTERM");
        return {};
      },
    },
  },
);

if (turn !== undefined) {
  await turn.come;
  listener.moveTo(values["control-socket"]);
}
rmSync(join(folder, "leftover.json"), { force: true });

const server = createServer((socket) => {
  connections += 1;
  socket.on("error", (error) => log.info("Connection", { error }));
  socket.write(`${process.pid}\n`);
});
server.listen({ fd: Number(values["listen-fd"]) });
log.info("Fake volume server runs", { arguments: process.execArgv });

process.once("SIGTERM", () => {
  void (async () => {
    server.close();
    writeLeftover(folder, { ...pending, lostAndFound: 0, unresolved: 0 });
    await listener.close();
    process.exit(0);
  })();
});
