import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SupervisorClient } from "../../src/control/supervisor-client.ts";
import type { VolumeSpec } from "../../src/control/volume-spec.ts";
import {
  runFolders,
  supervisorSocket,
  type VolumePaths,
  volumeDigest,
  volumePaths,
} from "../../src/supervisor/volume-paths.ts";
import { volumeSpec } from "../fakes/volume-spec.ts";
import { PrivateRun } from "./private-run.ts";

const fakeServer = join(import.meta.dirname, "../fakes/fake-volume-server.ts");
const spec = volumeSpec();
const noKeys = undefined;

/** A supervisor process with servers of the fake program, in directories of its own. */
export class SupervisorFixture implements Disposable {
  readonly run = new PrivateRun();
  readonly client = new SupervisorClient(supervisorSocket(this.run.runDir));
  #supervisor: ReturnType<PrivateRun["start"]> | undefined;

  get supervisor(): ReturnType<PrivateRun["start"]> {
    assert.ok(this.#supervisor);
    return this.#supervisor;
  }

  #arguments(more: readonly string[]): string[] {
    const { runDir, stateDir, launcher } = this.run;
    return [
      ...["supervisor", "--run-dir", runDir, "--state-dir", stateDir],
      ...(more.includes("--launcher") ? [] : ["--launcher", launcher]),
      ...["--allow-no-io-flusher", "--server-program", fakeServer, ...more],
    ];
  }

  /** In a pid namespace of its own, which ends with the child. */
  async startPod(...more: readonly string[]): Promise<void> {
    await this.#ready(
      this.run.startPod("src/main.ts", this.#arguments(["--metrics-listen", "0", ...more])),
    );
  }

  async startSupervisor(...more: readonly string[]): Promise<void> {
    await this.#ready(this.run.start("src/main.ts", this.#arguments(more)));
  }

  async #ready(child: ReturnType<PrivateRun["start"]>): Promise<void> {
    this.#supervisor = child;
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
    await until(() => child.said().includes("Supervisor ready") || hasEnded());
    assert.equal(child.exitCode, null, child.said());
  }

  paths(one: VolumeSpec = spec): VolumePaths {
    return volumePaths(this.run, volumeDigest(one.volumeId));
  }

  start(one: VolumeSpec = spec, credentials: { key: string } | undefined = noKeys) {
    const keys =
      credentials === undefined
        ? undefined
        : { accessKeyId: "AKIA", secretAccessKey: credentials.key };
    return this.client.start({ spec: one, credentials: keys });
  }

  async pid(): Promise<number> {
    const { volumes } = await this.client.status();
    const pid = volumes.find(({ volumeId }) => volumeId === spec.volumeId)?.pid;
    assert.ok(pid, "the volume has a server");
    return pid;
  }

  /** What a server says to a client inside the volume's namespace: its pid. */
  async ask(pin: string): Promise<number> {
    const script = "exec 3<>/dev/tcp/127.0.0.1/2049 && head -n 1 <&3";
    const child = spawn("nsenter", [`--net=${pin}`, "bash", "-c", script]);
    let answer = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    const [code] = (await once(child, "close")) as [number];
    assert.equal(code, 0, "the connection is taken");
    return Number(answer);
  }

  /** What is in the folders of volumes below the run directory. */
  leftovers(): string[] {
    return runFolders.flatMap((folder) => readdirSync(join(this.run.runDir, folder)));
  }

  [Symbol.dispose](): void {
    this.run[Symbol.dispose]();
  }
}

/** Resolves when the condition holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(10);
}
