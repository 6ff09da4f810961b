import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { StoreAgent } from "../../support/network-s3-agent.ts";
import { runProgram } from "./run-program.ts";
import type { Target } from "./target.ts";

const keys = { accessKeyId: "dev-s3-access-key", secretAccessKey: "dev-s3-secret-key" };
/** What the chart names its own S3 server for the release `s3files`. */
const service = "s3files-csi-driver-dev-s3";

/** A kind cluster with the driver and its own S3 server in it, as test/e2e/kind.sh makes it. */
export async function kindTarget(kubeconfig: string, namespace: string): Promise<Target> {
  const kubectl: Target["kubectl"] = (args, options) =>
    runProgram("kubectl", [`--kubeconfig=${kubeconfig}`, ...args], options);
  const workers = ["get", "nodes", "--selector=!node-role.kubernetes.io/control-plane"];
  const names = await kubectl([...workers, "--output=jsonpath={.items[*].metadata.name}"]);
  const forward = await forwardTo(kubeconfig, namespace);
  return {
    nodes: names.split(" "),
    driverNamespace: namespace,
    shellImage: "busybox:1.37",
    store: new StoreAgent({ host: "127.0.0.1", port: forward.port, serve: false, ...keys }),
    access: { endpoint: `http://${service}.${namespace}:9000`, region: "us-east-1", ...keys },
    kubectl,
    onNode: async (node, script, timeoutMs = 120_000) => {
      const output = await runProgram(
        "docker",
        ["exec", node, "bash", "-c", `(${script}\n) 2>&1; echo $?`],
        {
          timeoutMs,
        },
      );
      const lines = output.trimEnd().split("\n");
      return { code: Number(lines.pop()), output: lines.join("\n") };
    },
    [Symbol.asyncDispose]: forward[Symbol.asyncDispose],
  };
}

/** A local port that leads to the S3 server, until disposal. */
async function forwardTo(kubeconfig: string, namespace: string) {
  const target = ["--namespace", namespace, "port-forward", `service/${service}`, ":9000"];
  const child = spawn("kubectl", [`--kubeconfig=${kubeconfig}`, ...target], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    ended.then(() => {
      throw new Error("kubectl port-forward has ended");
    }),
  ]);
  return {
    port: Number(/127\.0\.0\.1:(\d+)/.exec(String(line))?.[1]),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
