import { join } from "node:path";
import { projectDir } from "../../support/uml.ts";
import type { LocalTarget } from "./local-target.ts";
import { places } from "./places.ts";
import { runProgram } from "./run-program.ts";

const release = "s3files";

/** Installs the chart, or upgrades it to what it is now, and waits until every pod of it is ready. */
export async function installDriver(
  target: LocalTarget,
  say: (line: string) => void,
): Promise<void> {
  const { driverNamespace: namespace, access } = target;
  await target.kubectl(["apply", "-f", "-"], {
    input: JSON.stringify({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: {
        name: namespace,
        labels: { "pod-security.kubernetes.io/enforce": "privileged" },
      },
    }),
  });
  const values = {
    logLevel: "debug",
    connections: {
      default: {
        endpoint: access.endpoint,
        region: access.region,
        credentials: {
          accessKeyId: access.accessKeyId,
          secretAccessKey: access.secretAccessKey,
        },
      },
    },
  };
  say("installing the driver by its chart");
  const chart = join(projectDir, "charts/s3files-csi-driver");
  await helm(
    target,
    ["upgrade", "--install", release, chart, "--namespace", namespace, "--values", "-"].concat(
      ...["--wait", "--timeout", "5m"],
    ),
    JSON.stringify(values),
  );
  say("the driver is ready");
}

/** Runs helm against the cluster. */
export async function helm(
  target: LocalTarget,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const program = join(projectDir, "build/bin/helm");
  return await runProgram(
    "ip",
    ["netns", "exec", target.namespace, program, "--kubeconfig", places.kubeconfig, ...args],
    { timeoutMs: 360_000, ...(input === undefined ? {} : { input }) },
  );
}
