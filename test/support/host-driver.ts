import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { supervisorSocket } from "../../src/supervisor/volume-paths.ts";
import {
  type DevS3Process,
  type RunningCommand,
  startCommandLine,
  startDevS3Process,
} from "./command.ts";
import { PrivateRun } from "./private-run.ts";

/** The CSI processes of a driver. */
export type CsiProcess = "controller" | "node";

/**
 * The whole driver on this machine: dev-s3, supervisor with real volume servers in real network namespaces, controller
 * and node. Only the kernel's NFS client is missing: the programs that the node plugin mounts with are replaced by
 * test/support/mount-table.sh. Needs root.
 */
export class HostDriver implements AsyncDisposable {
  readonly run = new PrivateRun();
  readonly #s3: DevS3Process;
  readonly #processes = new Map<CsiProcess, RunningCommand>();
  readonly #programs: string;
  readonly #mountTable: string;
  /** Further options of a process, from its next start on. */
  readonly options = new Map<CsiProcess, readonly string[]>();
  #supervisor: ReturnType<PrivateRun["start"]> | undefined;

  private constructor(s3: DevS3Process) {
    this.#s3 = s3;
    const { folder } = this.run;
    this.#programs = join(folder, "bin");
    this.#mountTable = join(folder, "mounts");
    mkdirSync(this.#programs);
    writeFileSync(this.#mountTable, "");
    const other = { endpoint: s3.endpoint, credentialsFile: this.otherKeys };
    const config = { format: 1, connections: { other } };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    const { accessKeyId, secretAccessKey } = s3;
    writeFileSync(this.otherKeys, JSON.stringify({ accessKeyId, secretAccessKey }));
    for (const name of ["mount", "umount", "sync", "s3files-launcher"]) {
      symlinkSync(join(import.meta.dirname, "mount-table.sh"), join(this.#programs, name));
    }
  }

  /** Starts everything; resolves when all of it answers. */
  static async start(): Promise<HostDriver> {
    const driver = new HostDriver(await startDevS3Process("--bucket", "team"));
    await driver.#startSupervisor();
    await Promise.all([driver.startProcess("controller"), driver.startProcess("node")]);
    return driver;
  }

  async #startSupervisor(): Promise<void> {
    const { runDir, stateDir, launcher } = this.run;
    const directories = ["--run-dir", runDir, "--state-dir", stateDir, "--launcher", launcher];
    const child = this.run.start(
      "src/main.ts",
      ["supervisor", ...directories, "--allow-no-io-flusher"],
      this.environment,
    );
    this.#supervisor = child;
    while (!existsSync(supervisorSocket(runDir))) {
      if (child.exitCode !== null) throw new Error(`The supervisor ended: ${child.said()}`);
      await after(20);
    }
  }

  /** The credentials file of the connection `other`, which a test may change. */
  get otherKeys(): string {
    return join(this.run.folder, "other-keys.json");
  }

  get s3(): DevS3Process {
    return this.#s3;
  }

  /** What the processes are told of the store. */
  get environment(): Readonly<Record<string, string>> {
    return {
      // Hundreds of starts: the compiled code is kept from one to the next.
      NODE_COMPILE_CACHE: join(this.run.folder, "compile-cache"),
      S3FILES_CONFIG: join(this.run.folder, "config.json"),
      S3FILES_ENDPOINT: this.#s3.endpoint,
      AWS_ACCESS_KEY_ID: this.#s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: this.#s3.secretAccessKey,
      MOUNT_TABLE: this.#mountTable,
    };
  }

  /** The CSI socket of a process. */
  socket(name: CsiProcess): string {
    return join(this.run.folder, `${name}.sock`);
  }

  /** Starts a CSI process that does not run. */
  async startProcess(name: CsiProcess): Promise<void> {
    const { runDir, stateDir } = this.run;
    const own = {
      controller: [],
      node: [
        ...["--node-id", "node-1", "--supervisor-socket", supervisorSocket(runDir)],
        ...["--state-dir", stateDir, "--mountinfo", this.#mountTable],
        ...["--launcher", join(this.#programs, "s3files-launcher")],
      ],
    }[name];
    const args = [name, "--csi-endpoint", `unix://${this.socket(name)}`, ...own];
    const process = await startCommandLine([...args, ...(this.options.get(name) ?? [])], {
      ...this.environment,
      PATH: `${this.#programs}:${globalThis.process.env["PATH"]}`,
    });
    this.#processes.set(name, process);
  }

  /** Kills a CSI process and starts it anew. */
  async restart(name: CsiProcess): Promise<void> {
    await this.#processes.get(name)?.end("SIGKILL");
    await this.startProcess(name);
  }

  /** The log of a CSI process since its last start. */
  log(name: CsiProcess): string {
    return this.#processes.get(name)?.said().stderr ?? "";
  }

  /** Everything that the driver's processes have logged, the volumes' servers through the supervisor. */
  everyLog(): string {
    return [this.log("controller"), this.log("node"), this.#supervisor?.said() ?? ""].join("");
  }

  /** The lines of the mount table. */
  mounts(): string[] {
    return readFileSync(this.#mountTable, "utf8").split("\n").slice(0, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes.values()) await process[Symbol.asyncDispose]();
    const child = this.#supervisor;
    if (child !== undefined && child.exitCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
    this.run[Symbol.dispose]();
    await this.#s3[Symbol.asyncDispose]();
  }
}
