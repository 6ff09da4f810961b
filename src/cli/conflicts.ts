import type { Conflicts } from "../control/messages.ts";
import { SupervisorClient } from "../control/supervisor-client.ts";
import { supervisorSocket } from "../supervisor/volume-paths.ts";
import { type Command, CommandError } from "./arguments.ts";
import { asked, bytes } from "./control-command.ts";

/** `s3files conflicts`: the local versions of files that S3 has won over; status 1 when there are any. */
export const conflictsCommand: Command = {
  usage: "VOLUME [--json] [options]",
  positionals: { least: 1, most: 1 },
  options: {
    json: { help: "one JSON document: {directory, files: […]}" },
    "run-dir": { value: "DIR", help: "the supervisor's run directory; default: /run/s3files" },
  },
  async run(args, config, signal) {
    const [volumeId = ""] = args.positionals;
    const client = new SupervisorClient(
      supervisorSocket(args.text("run-dir") ?? config.runDirectory),
    );
    const conflicts = await asked(() => client.conflicts(volumeId, signal));
    if (conflicts === undefined) {
      throw new CommandError(`No server of volume '${volumeId}' runs here`);
    }
    process.stdout.write(
      args.flag("json")
        ? `${JSON.stringify(conflicts, null, 2)}\n`
        : conflictsText(volumeId, conflicts),
    );
    return conflicts.files.length === 0 ? 0 : 1;
  },
};

/** What the command prints for people. */
export function conflictsText(volumeId: string, { directory, files }: Conflicts): string {
  if (files.length === 0) return `${volumeId}: no conflicts\n`;
  const lines = files.map(
    ({ name, sizeBytes, changedMs, key, reason, atMs, baseEtag, wonEtag }) => {
      const file = `  ${directory}/${name}  ${bytes(sizeBytes)}  ${new Date(atMs ?? changedMs).toISOString()}\n`;
      if (key === undefined) return file;
      const versions = `from ${baseEtag ?? "nothing"}, S3 has ${wonEtag ?? "nothing"}`;
      return `${file}    of key ${JSON.stringify(key)}: ${reason} (${versions})\n`;
    },
  );
  return `${volumeId}: S3 has won over ${files.length} local versions; mv takes one back, rm gives it up\n${lines.join("")}`;
}
