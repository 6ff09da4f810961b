import type { Target } from "./target.ts";

/** A line of output with what it must not have in it. */
function linesWith(where: string, text: string, words: readonly (readonly [string, RegExp])[]) {
  return text
    .split("\n")
    .flatMap((line) =>
      words
        .filter(([, pattern]) => pattern.test(line))
        .map(([what]) => `${what} in ${where}: ${line.slice(0, 300)}`),
    );
}

/**
 * Every line since `since` that has a secret of the store or a token in it, in the driver's logs, the cluster's events
 * and status of objects, and the argument lists and environments of the nodes' processes; and each log line of the driver
 * that says that the API server forbade something.
 */
export async function indiscretions(target: Target, since: Date): Promise<string[]> {
  const secrets = [
    ["a secret", new RegExp(target.access.secretAccessKey)],
    // A service account's token, and what Secrets of scenarios hold.
    ["a token", /\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\./],
    ["a secret", /not-the-secret-of-this-key/],
  ] as const;
  const logs = await target.kubectl([
    ...[`--namespace=${target.driverNamespace}`, "logs", "--all-containers", "--prefix"],
    ...["--selector=app.kubernetes.io/name=s3files-csi-driver", "--max-log-requests=50"],
    ...["--tail=-1", `--since-time=${since.toISOString()}`, "--ignore-errors"],
  ]);
  const found = linesWith("a log", logs, [...secrets, ["forbidden", /\bforbidden\b/i]]);
  for (const kinds of ["events", "pods,persistentvolumes,persistentvolumeclaims"]) {
    const said = await target.kubectl(["get", kinds, "--all-namespaces", "--output=yaml"]);
    found.push(...linesWith(kinds, said, secrets));
  }
  for (const node of target.nodes) {
    const script =
      "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true";
    const { output } = await target.onNode(node, script);
    found.push(...linesWith(`the processes of ${node}`, output, secrets));
  }
  return found;
}
