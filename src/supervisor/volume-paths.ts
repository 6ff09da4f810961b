import { createHash } from "node:crypto";
import { join } from "node:path";

/** Where the node keeps everything of one volume; `digest` stands for its handle, which may be any text. */
export interface VolumePaths {
  readonly digest: string;
  /** On the disk: `volume.json`, `leftover.json` and the server's `state/`. */
  readonly folder: string;
  /** Where the folder goes in one step before it is removed. */
  readonly removed: string;
  /** On tmpfs: present while the volume is to be served; a reboot clears it. */
  readonly marker: string;
  readonly credentials: string;
  readonly pin: string;
  readonly holderSocket: string;
  readonly holderLock: string;
  /** A duplicate of the holder's socket in the node plugin's pod, which outlives the mounter's. */
  readonly keeperSocket: string;
  readonly keeperLock: string;
  readonly serverSocket: string;
  readonly serverLock: string;
  /** Where a server answers that is to take the volume over and does not serve it yet. */
  readonly preparedSocket: string;
  /** The named pipe that holder and server write their log to. */
  readonly output: string;
}

/** The folders below the run directory, all of mode 0700. */
export const runFolders = [
  ...["volumes", "credentials", "netns", "holders", "keepers", "servers"],
] as const;

/** What is being removed; whatever a supervisor finds there at its start is rubbish. */
export function removedFolder(stateDir: string): string {
  return join(stateDir, "removed");
}

/** The digest that names a volume's files: 32 hexadecimal digits, so that socket paths stay short. */
export function volumeDigest(volumeId: string): string {
  return createHash("sha256").update(volumeId).digest("hex").slice(0, 32);
}

/** The paths of a volume below the two directories of the supervisor. */
export function volumePaths(
  directories: { readonly runDir: string; readonly stateDir: string },
  digest: string,
): VolumePaths {
  const { runDir, stateDir } = directories;
  return {
    digest,
    folder: join(stateDir, "volumes", digest),
    removed: join(removedFolder(stateDir), digest),
    marker: join(runDir, "volumes", digest),
    credentials: join(runDir, "credentials", `${digest}.json`),
    pin: join(runDir, "netns", digest),
    holderSocket: join(runDir, "holders", `${digest}.sock`),
    holderLock: join(runDir, "holders", `${digest}.lock`),
    keeperSocket: join(runDir, "keepers", `${digest}.sock`),
    keeperLock: join(runDir, "keepers", `${digest}.lock`),
    serverSocket: join(runDir, "servers", `${digest}.sock`),
    serverLock: join(runDir, "servers", `${digest}.lock`),
    preparedSocket: join(runDir, "servers", `${digest}.next`),
    output: join(runDir, "servers", `${digest}.log`),
  };
}

/** The supervisor's own control socket. */
export function supervisorSocket(runDir: string): string {
  return join(runDir, "supervisor.sock");
}

/** What a supervisor has locked while it is in charge of the run directory. */
export function supervisorLock(runDir: string): string {
  return join(runDir, "supervisor.lock");
}
