import type { VolumeStatus } from "../control/messages.ts";
import { SupervisorClient } from "../control/supervisor-client.ts";
import { supervisorSocket } from "../supervisor/volume-paths.ts";
import type { Command } from "./arguments.ts";
import { asked, bytes, duration } from "./control-command.ts";

/** `s3files status`: the node's volumes, as text or as JSON. */
export const statusCommand: Command = {
  usage: "[--json] [options]",
  options: {
    json: { help: "one JSON document: {pid, volumes: […]}" },
    "run-dir": { value: "DIR", help: "the supervisor's run directory; default: /run/s3files" },
  },
  async run(args, config, signal) {
    const client = new SupervisorClient(
      supervisorSocket(args.text("run-dir") ?? config.runDirectory),
    );
    const status = await asked(() => client.status(signal));
    process.stdout.write(
      args.flag("json") ? `${JSON.stringify(status, null, 2)}\n` : textOf(status),
    );
    return 0;
  },
};

function textOf(status: {
  readonly pid: number;
  readonly volumes: readonly VolumeStatus[];
}): string {
  const { pid, volumes } = status;
  const lines = volumes.flatMap((volume) => {
    const { volumeId, bucket, prefix, state, usage, leftover, lastError } = volume;
    const process = volume.pid === undefined ? "" : `, pid ${volume.pid}`;
    const restarts = volume.restarts === 0 ? "" : `, restarted ${volume.restarts} times`;
    const { memoryKills = 0 } = volume;
    const kills = memoryKills === 0 ? "" : `, killed ${memoryKills} times over its memory limit`;
    return [
      `${volumeId}: ${state}${process}${restarts}${kills}`,
      `  s3://${bucket}/${prefix}`,
      `  ${pendingText(state, usage ?? leftover)}`,
      ...(leftover !== undefined && leftover.lostAndFound > 0
        ? [`  ${leftover.lostAndFound} names in lost+found`]
        : []),
      ...(lastError === undefined ? [] : [`  last error: ${lastError}`]),
      ...(state === "stopped" ? [`  kept in ${volume.folder} until the next start`] : []),
    ];
  });
  return `supervisor: pid ${pid}, ${volumes.length} volumes\n${lines.map((line) => `${line}\n`).join("")}`;
}

function pendingText(
  state: VolumeStatus["state"],
  pending: { readonly pendingBytes: number; readonly oldestPendingMs: number } | undefined,
): string {
  if (pending === undefined) {
    return state === "stopped"
      ? "pending: unknown, its server was killed"
      : "pending: no answer yet";
  }
  const { pendingBytes, oldestPendingMs } = pending;
  if (pendingBytes === 0 && oldestPendingMs === 0) return "nothing pending";
  return `pending: ${bytes(pendingBytes)}, the oldest change ${duration(oldestPendingMs)} old`;
}
