import { flushCompileCache } from "node:module";
import { CacheError } from "../cache/database.ts";
import { ControlError } from "../control/error.ts";
import { ControlListener } from "../control/listener.ts";
import type { ServerMethods } from "../control/messages.ts";
import { parseGroups } from "../control/parse-volume-spec.ts";
import {
  readGroups,
  readVolumeRecord,
  removeLeftover,
  specDigest,
  writeLeftover,
} from "../control/volume-folder.ts";
import { fileCredentials } from "../s3/credentials.ts";
import { type Command, CommandError, UsageError } from "./arguments.ts";
import { CertificatesError } from "./certificates.ts";
import { driverCredentials } from "./driver-connection.ts";
import { isIoFlusher } from "./io-flusher.ts";
import { launcherPath } from "./launcher-path.ts";
import { processLog } from "./log.ts";
import { ServerTurn } from "./server-turn.ts";
import { aborted } from "./shutdown.ts";
import { VolumeServer } from "./volume-server.ts";

/** `s3files serve`: the NFS server of one volume, until SIGTERM. */
export const serveCommand: Command = {
  usage: "--volume-dir DIR --control-socket PATH [options]",
  options: {
    "volume-dir": { value: "DIR", required: true, help: "folder with volume.json and the state" },
    "control-socket": { value: "PATH", required: true, help: "where to answer the supervisor" },
    "listen-fd": { value: "N", help: "descriptor of the listening socket; default: 3" },
    credentials: {
      value: "FILE",
      help: "JSON file of S3 keys, read anew when it changes; default: the driver's own credentials",
    },
    prepare: {
      value: "PATH",
      help: "load everything, answer there, and serve only when asked to begin and the volume's lock, descriptor 4, is free",
    },
    launcher: { value: "PATH", help: "the native helper, for --prepare" },
    "allow-no-io-flusher": { help: "serve without PR_SET_IO_FLUSHER; the mount can deadlock" },
    failpoint: {
      value: "NAME",
      help: "for tests: SIGKILL itself at this point of the sync engine",
    },
  },
  notes:
    "Started by the supervisor through s3files-launcher, which hands over the listening socket.",
  async run(args, config, signal) {
    const folder = args.required("volume-dir");
    const spec = readSpec(folder);
    const { volumeId } = spec;
    const log = processLog(config, "serve").with({ volumeId });
    if (!isIoFlusher()) {
      if (!args.flag("allow-no-io-flusher")) {
        throw new CommandError(
          "Not all threads carry PR_SET_IO_FLUSHER: start the server through s3files-launcher with CAP_SYS_RESOURCE",
        );
      }
      log.warn("Serving without PR_SET_IO_FLUSHER: the mount can deadlock when memory is short");
    }
    const keys = args.text("credentials");
    const credentials =
      keys === undefined ? driverCredentials(config, spec.connectionName) : fileCredentials(keys);
    if (credentials === undefined) {
      throw new CommandError(
        `The configuration has no connection '${spec.connectionName}', which volume ${volumeId} names`,
      );
    }
    const failpoint = args.text("failpoint");
    const asked = new AbortController();
    const opened = Promise.withResolvers<VolumeServer>();
    const accepts = Promise.withResolvers<void>();
    for (const { promise } of [opened, accepts]) promise.catch(() => undefined); // for whoever asks
    const prepared = args.text("prepare");
    const turn =
      prepared === undefined ? undefined : new ServerTurn({ launcher: launcherPath(args) });
    const status = (server: VolumeServer) => ({
      ...{ volumeId, pid: process.pid, ready: server.isReady },
      specDigest: specDigest(spec),
    });
    const listen = (path: string, replace: boolean) =>
      ControlListener.open<ServerMethods>(
        { path, replace },
        {
          log: log.with({ component: "control" }),
          handlers: {
            begin: async (_, given) => {
              await turn?.take(given);
              await accepts.promise;
              return status(await opened.promise);
            },
            ready: async () => (await opened.promise).reachBucket(),
            leave: async (_, given) => (await opened.promise).leave(given),
            status: async () => status(await opened.promise),
            usage: async () => (await opened.promise).usage(),
            lost: async () => (await opened.promise).conflicts(),
            groups: async ({ gids }) => {
              (await opened.promise).setMountGroups(parseGroups(gids));
              return {};
            },
            flush: async ({ timeoutMs }, given) => (await opened.promise).flush(timeoutMs, given),
            counters: async () => (await opened.promise).counters(),
            end: () => {
              asked.abort();
              return {};
            },
          },
        },
      );
    const controlPath = args.required("control-socket");
    let control: ControlListener<ServerMethods> | undefined;
    try {
      if (prepared !== undefined) control = await listen(prepared, true);
      const ending = AbortSignal.any([signal, asked.signal]);
      await Promise.race([turn?.come, ...(turn === undefined ? [] : [aborted(ending)])]);
      if (turn !== undefined && ending.aborted) return 0;
      if (turn !== undefined && specDigest(readSpec(folder)) !== specDigest(spec)) {
        throw new CommandError(`Volume ${volumeId} has changed since this server was prepared`);
      }
      const server = openServer(
        { folder, spec },
        {
          credentials,
          log,
          ...(failpoint === undefined ? {} : { failpoint: killAt(failpoint) }),
        },
      );
      server.setMountGroups(groupsOf(folder));
      // Only now is the state ours, and with it what an earlier run said of it.
      removeLeftover(folder);
      opened.resolve(server);
      if (control === undefined) control = await listen(controlPath, false);
      else control.moveTo(controlPath);
      await server.open(args.integer("listen-fd", { least: 3, most: 1_023 }) ?? 3);
      accepts.resolve();
      log.info("Volume server accepts connections", { bucket: spec.bucket, prefix: spec.prefix });
      // A server that is killed later cannot do it, and its successor starts faster with it.
      flushCompileCache();
      await aborted(ending);
      writeLeftover(folder, await server.close());
      return 0;
    } catch (cause) {
      if (cause instanceof ControlError) throw new CommandError(cause.message, { cause });
      throw cause;
    } finally {
      await control?.close();
    }
  },
};

function readSpec(folder: string) {
  try {
    const record = readVolumeRecord(folder);
    if (record !== undefined) return record.spec;
  } catch (cause) {
    if (cause instanceof ControlError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
  throw new UsageError(`${folder} holds no volume.json`);
}

function groupsOf(folder: string): readonly number[] {
  try {
    return readGroups(folder);
  } catch (cause) {
    if (cause instanceof ControlError) throw new CommandError(cause.message, { cause });
    throw cause;
  }
}

function openServer(...given: ConstructorParameters<typeof VolumeServer>): VolumeServer {
  try {
    return new VolumeServer(...given);
  } catch (cause) {
    if (cause instanceof CacheError) throw new CommandError(cause.message, { cause });
    if (cause instanceof CertificatesError) throw new CommandError(cause.message, { cause });
    throw cause;
  }
}

function killAt(failpoint: string): (name: string) => void {
  return (name) => {
    if (name === failpoint) process.kill(process.pid, "SIGKILL");
  };
}
