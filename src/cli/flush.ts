import { SupervisorClient } from "../control/supervisor-client.ts";
import { supervisorSocket } from "../supervisor/volume-paths.ts";
import { type Command, CommandError } from "./arguments.ts";
import { asked, bytes, duration } from "./control-command.ts";

const defaultSeconds = 300;

/** `s3files flush`: exports a volume's pending changes and waits for it; status 1 when some are left. */
export const flushCommand: Command = {
  usage: "VOLUME [options]",
  positionals: { least: 1, most: 1 },
  options: {
    timeout: { value: "SECONDS", help: `longest time to wait; default: ${defaultSeconds}` },
    "run-dir": { value: "DIR", help: "the supervisor's run directory; default: /run/s3files" },
  },
  async run(args, config, signal) {
    const [volumeId = ""] = args.positionals;
    const seconds = args.integer("timeout", { least: 0, most: 86_400 }) ?? defaultSeconds;
    const client = new SupervisorClient(
      supervisorSocket(args.text("run-dir") ?? config.runDirectory),
    );
    const pending = await asked(() => client.flush(volumeId, seconds * 1_000, signal));
    if (pending === undefined)
      throw new CommandError(`No server of volume '${volumeId}' runs here`);
    const { pendingBytes, oldestPendingMs } = pending;
    if (pendingBytes === 0 && oldestPendingMs === 0) {
      process.stdout.write(`${volumeId}: everything is in S3\n`);
      return 0;
    }
    throw new CommandError(
      `${volumeId}: still pending after ${seconds} s: ${bytes(pendingBytes)}, the oldest change ${duration(oldestPendingMs)} old`,
    );
  },
};
