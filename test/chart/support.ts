import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The checkout, and what is tested of it. */
export const root = join(import.meta.dirname, "../..");
export const chart = join(root, "charts/s3files-csi-driver");
const golden = join(root, "test/chart/golden");

/** The value sets that have a golden rendering, by name. */
export const valueSets: Readonly<Record<string, string>> = Object.fromEntries(
  readdirSync(golden)
    .filter((file) => file.endsWith(".values.yaml"))
    .map((file) => [file.replace(/\.values\.yaml$/, ""), join(golden, file)]),
);

/** A Kubernetes object, read as far as tests need it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly rules?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly spec?: { readonly [name: string]: unknown };
}

/** A container of a pod template. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
}

/** A pod template's inner part. */
export interface PodSpec {
  readonly containers: readonly Container[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly volumes?: readonly { readonly hostPath?: object }[];
  readonly [name: string]: unknown;
}

/** What a program printed and how it ended. */
export interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Rejects when it cannot be started. */
export function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const options = { cwd: root, maxBuffer: 1 << 26, env: { ...process.env, ...env } };
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** `helm template` of the chart. */
export function render(...options: readonly string[]): Promise<Run> {
  return run("helm", ["template", "s3files", chart, "--namespace", "s3files", ...options]);
}

/** The objects of a file of YAML documents. Rejects when it is not YAML. */
export async function objectsOf(path: string): Promise<KubernetesObject[]> {
  const { status, stdout, stderr } = await run("helm", [
    ...["template", "json", join(root, "test/chart/to-json")],
    ...["--set-file", `documents=${path}`],
  ]);
  if (status !== 0) throw new Error(`${path}: ${stderr}`);
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as KubernetesObject);
}

/** The pod specification of a workload; undefined for every other object. */
export function podSpecOf(object: KubernetesObject): PodSpec | undefined {
  const template = object.spec?.["template"] as { readonly spec?: PodSpec } | undefined;
  return template?.spec;
}
