import { dirname, join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { SupervisorClient } from "../control/supervisor-client.ts";
import { FileStageJournal } from "../csi/file-stage-journal.ts";
import { KernelMounter } from "../csi/mounter.ts";
import { isVolumeMount, mountedVolumes } from "../csi/mountinfo.ts";
import { reportDrift } from "../csi/reconcile.ts";
import { CsiMetrics } from "../metrics/csi-metrics.ts";
import { Launcher } from "../supervisor/launcher.ts";
import { SocketKeeper } from "../supervisor/socket-keeper.ts";
import type { Command } from "./arguments.ts";
import { clusterEvents, takeStartupTaint } from "./cluster.ts";
import { csiEndpointOption, csiSocketPath, serveCsi } from "./csi-endpoint.ts";
import { driverConnections } from "./driver-connection.ts";
import { launcherPath } from "./launcher-path.ts";
import { processLog } from "./log.ts";
import { serveMetrics } from "./metrics-endpoint.ts";
import { metricsOption } from "./metrics-option.ts";
import { packageVersion } from "./package-version.ts";
import { SupervisorVolumeServers } from "./supervisor-volume-servers.ts";

/** `s3files node`: Identity and Node services until SIGTERM or SIGINT. Mounts and servers outlive it. */
export const nodeCommand: Command = {
  usage: "--csi-endpoint unix:///csi/csi.sock --node-id NAME [options]",
  options: {
    ...csiEndpointOption,
    ...metricsOption,
    "node-id": { value: "NAME", help: "this node's name to the CO; default: $NODE_ID" },
    "supervisor-socket": {
      value: "PATH",
      help: "the supervisor's control socket; default: supervisor.sock in the run directory",
    },
    "state-dir": {
      value: "DIR",
      help: "keeps the stage records in its folder node; default: /var/lib/s3files",
    },
    "max-volumes": { value: "N", help: "volumes that fit on this node; default: no limit" },
    "startup-taint": {
      value: "KEY",
      help: "taint to take from this node once kubelet knows the driver; default: none",
    },
    launcher: { value: "PATH", help: "the native helper; default: where make or the image put it" },
    mountinfo: {
      value: "PATH",
      help: "for tests: the list of mounts; default: the kernel's, /proc/self/mountinfo",
    },
  },
  async run(args, config, signal) {
    const path = csiSocketPath(args, config);
    const nodeId = args.required("node-id", config.nodeId);
    const log = processLog(config, "node");
    const socket = args.text("supervisor-socket") ?? join(config.runDirectory, "supervisor.sock");
    const launcher = launcherPath(args);
    using keeper = new SocketKeeper(
      { runDir: dirname(socket) },
      {
        launcher: new Launcher({ path: launcher, allowNoIoFlusher: false }),
        ...{ clock: systemClock, log: log.with({ component: "keeper" }) },
      },
    );
    const servers = new SupervisorVolumeServers(new SupervisorClient(socket), (volumeId) =>
      keeper.keep(volumeId),
    );
    const stateDirectory = args.text("state-dir") ?? config.stateDirectory;
    const mounter = new KernelMounter({ launcher, mountinfo: args.text("mountinfo") }, { log });
    const version = packageVersion();
    const maxVolumesPerNode = args.integer("max-volumes", { least: 0, most: 100_000 }) ?? 0;
    const metrics = new CsiMetrics({ component: "node", version });
    metrics.addNode({
      maxVolumes: maxVolumesPerNode,
      async read() {
        const mounts = await mounter.mounts();
        const stagedVolumes = mountedVolumes(mounts);
        return {
          stagedVolumes,
          publishedTargets: mounts.filter(isVolumeMount).length - stagedVolumes,
          supervisorReachable: await servers.isReachable(),
        };
      },
    });
    const journal = new FileStageJournal(join(stateDirectory, "node"));
    await keeper.open();
    await reportDrift({ journal, mounter }, log);
    const key = args.text("startup-taint");
    if (key !== undefined) takeStartupTaint(config, { node: nodeId, key }, { log, signal });
    await using _endpoint = await serveMetrics(args, metrics, log);
    await serveCsi(
      {
        identity: { version, isReady: () => servers.isReachable() },
        node: {
          nodeId,
          maxVolumesPerNode,
          connections: driverConnections(config),
          journal,
          servers,
          mounter,
          events: clusterEvents(config, { component: "s3files-node", host: nodeId }, log),
          clock: systemClock,
        },
        observe: metrics.observe,
        log,
      },
      { path, name: "node", signal },
    );
    return 0;
  },
};
