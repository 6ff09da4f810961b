import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { undoWhenAbandoned } from "../../../support/abandon.ts";

/** One run of the suite. */
export interface SuiteOptions {
  /** Folder of `e2e.test` and `ginkgo`, see scripts/install-external-suite.sh. */
  readonly programs: string;
  readonly kubeconfig: string;
  /** A network namespace from which the cluster is reached, unless it is this one. */
  readonly networkNamespace?: string;
  /** Folder for `report.json`. */
  readonly output: string;
  /** Specs that run at once. They wait more than they compute. */
  readonly processes: number;
  /** Parts of specs' names; none selects the whole suite. */
  readonly focus: readonly string[];
  /** Parts of names of specs that are left out. */
  readonly skip: readonly string[];
  /** Private key of root on the nodes, for specs that restart kubelet. */
  readonly sshKey?: string;
}

const suiteName = "External Storage";

/** The command line of a run, without the namespace that it runs in. */
export function suiteCommand(options: SuiteOptions): readonly string[] {
  const { programs, kubeconfig, output, processes, focus, skip } = options;
  const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const wanted = focus.length === 0 ? [""] : focus;
  return [
    join(programs, "ginkgo"),
    `-procs=${processes}`,
    "--timeout=3h",
    "--no-color",
    "--silence-skips",
    `--output-dir=${output}`,
    "--json-report=report.json",
    ...wanted.map((text) => `--focus=${literal(suiteName)}.*${literal(text)}`),
    ...skip.map((text) => `--skip=${literal(text)}`),
    join(programs, "e2e.test"),
    "--",
    `-kubeconfig=${kubeconfig}`,
    `-storage.testdriver=${join(import.meta.dirname, "driver.yaml")}`,
    // The pods of a cluster that has just what is tested are there already.
    "-minStartupPods=0",
    "-system-pods-startup-timeout=10s",
    "-allowed-not-ready-nodes=10",
  ];
}

/** Runs the suite with its output shown here; resolves to ginkgo's exit status, which is not 0 when a spec fails. */
export async function runSuite(options: SuiteOptions): Promise<number | NodeJS.Signals | null> {
  const { networkNamespace, sshKey } = options;
  const command = suiteCommand(options);
  const enter = networkNamespace === undefined ? [] : ["ip", "netns", "exec", networkNamespace];
  const [program = "", ...args] = [...enter, ...command];
  // The suite would take a person's own key.
  const inherited = Object.entries(process.env).filter(([name]) => !name.includes("SSH"));
  const child = spawn(program, args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...Object.fromEntries(inherited),
      ...(sshKey === undefined ? {} : { KUBE_SSH_KEY_PATH: sshKey, KUBE_SSH_USER: "root" }),
    },
  });
  using _undo = undoWhenAbandoned(() => child.kill("SIGTERM"));
  await once(child, "close");
  return child.exitCode ?? child.signalCode;
}
