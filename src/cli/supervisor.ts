import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { MemoryCgroups } from "../supervisor/memory-cgroups.ts";
import { Supervisor, statusBudgetMs } from "../supervisor/supervisor.ts";
import { SupervisorLock } from "../supervisor/supervisor-lock.ts";
import { supervisorLock } from "../supervisor/volume-paths.ts";
import type { Arguments, Command } from "./arguments.ts";
import { describeError } from "./describe-error.ts";
import { launcherPath } from "./launcher-path.ts";
import { processLog, writeLogLine } from "./log.ts";
import { metricsOption } from "./metrics-option.ts";
import { packageVersion } from "./package-version.ts";
import { aborted } from "./shutdown.ts";

/** `s3files supervisor`: keeps this node's volume servers running until SIGTERM or SIGINT. */
export const supervisorCommand: Command = {
  usage: "[options]",
  options: {
    ...metricsOption,
    "run-dir": {
      value: "DIR",
      help: "sockets, pins and credentials, on tmpfs; default: /run/s3files",
    },
    "state-dir": { value: "DIR", help: "the volumes' folders; default: /var/lib/s3files" },
    launcher: { value: "PATH", help: "the native helper; default: where make or the image put it" },
    "stop-volumes-on-exit": {
      help: "at the end stop every volume, its listening socket and namespace too",
    },
    "take-over": {
      help: "have a supervisor that runs on these directories hand its volumes over, instead of ending",
    },
    "allow-no-io-flusher": {
      help: "serve without PR_SET_IO_FLUSHER where it is not permitted; such a mount can deadlock",
    },
    failpoint: { value: "NAME", help: "for tests: servers kill themselves when they reach it" },
    "server-program": {
      value: "SCRIPT",
      help: "for tests: a script in place of this program's `serve`",
    },
  },
  notes: `
At SIGTERM the servers finish what they are doing, close their databases and end; nothing is exported. Their
listening sockets stay open in holder processes, so that mounts wait until the next supervisor has started the
servers again. With --take-over the next one may be started first: it takes over volume by volume, and the old one
stands by until it is ended. A supervisor that is killed leaves its servers running, and the next one takes them over.
`,
  async run(args, config, signal) {
    const log = processLog(config, "supervisor");
    args.address("metrics-listen"); // a mistake in it is one in the call
    const failpoint = args.text("failpoint");
    const script = args.text("server-program");
    const file = args.text("config");
    const configFile = file === undefined ? [] : ["--config", resolve(file)];
    const runDir = args.text("run-dir") ?? config.runDirectory;
    const launcher = launcherPath(args);
    const lock = new SupervisorLock({ path: supervisorLock(runDir), launcher });
    const supervisor = new Supervisor(
      {
        runDir,
        stateDir: args.text("state-dir") ?? config.stateDirectory,
        launcher,
        allowNoIoFlusher: args.flag("allow-no-io-flusher"),
        server: {
          node: process.execPath,
          args: [
            ...(script === undefined
              ? [mainScript, "serve", "--log-level", config.logLevel, ...configFile]
              : [script]),
            ...(failpoint === undefined ? [] : ["--failpoint", failpoint]),
          ],
        },
      },
      { clock: systemClock, log, passOn: writeLogLine, lock, cgroups: MemoryCgroups.open(log) },
    );
    const opened = supervisor.open({ takeOver: args.flag("take-over") });
    opened.catch(() => undefined); // looked at below
    try {
      await using _endpoint = await shownMetrics(args, supervisor, log);
      await Promise.race([opened, supervisor.broken]);
      if (supervisor.isReady) log.info("Supervisor ready", { pid: process.pid });
      await Promise.race([aborted(signal), supervisor.broken]);
    } catch (error) {
      // At once, with all that is open: servers go on, and the next supervisor takes them over.
      log.error("The supervisor gives up", { error });
      process.stderr.write(`s3files supervisor: ${describeError(error)}\n`);
      process.exit(1);
    }
    await supervisor.close({ stopVolumes: args.flag("stop-volumes-on-exit") });
    return 0;
  },
};

/** While volumes are being taken over: mounts wait for those, and nothing for the packages that this loads. */
async function shownMetrics(
  args: Arguments,
  supervisor: Supervisor,
  log: Log,
): Promise<AsyncDisposable> {
  const { MounterMetrics } = await import("../metrics/mounter-metrics.ts");
  const { serveMetrics } = await import("./metrics-endpoint.ts");
  const metrics = new MounterMetrics({
    version: packageVersion(),
    read: async () => ({
      isReady: supervisor.isReady,
      volumes: await supervisor.status(AbortSignal.timeout(statusBudgetMs)),
    }),
  });
  return await serveMetrics(args, metrics, log, () => supervisor.isReady);
}

/** This program's own script: `src/main.ts` in a checkout, `dist/main.js` in the image. */
const mainScript = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js", import.meta.url),
);
