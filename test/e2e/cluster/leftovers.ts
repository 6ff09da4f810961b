import type { Target } from "./target.ts";

/** What the driver has on a node: per line a kind and a name. Empty when no volume is in use there. */
const script = `
grep -E ' (/run/s3files/netns/|/var/lib/kubelet/[^ ]*(s3files|kubernetes.io~csi))' /proc/self/mountinfo |
  awk '{print "mount " $5}' | grep -v '/pods/[^/]*/volumes/kubernetes.io~projected' | sort -u
grep ' nfs4 ' /proc/mounts | awk '{print "nfs " $2}'
for folder in netns holders servers credentials volumes; do
  find /run/s3files/$folder -mindepth 1 2>/dev/null | sed 's/^/run /'
done
find /var/lib/s3files/volumes /var/lib/s3files/removed -mindepth 1 -maxdepth 1 2>/dev/null | sed 's/^/state /'
find /var/lib/s3files/node -name '*.json' 2>/dev/null | sed 's/^/journal /'
find /var/lib/kubelet/plugins/kubernetes.io/csi/s3files.csi.dev -mindepth 1 -maxdepth 1 2>/dev/null | sed 's/^/staging /'
ps -eo args 2>/dev/null | grep -E 's3files(-launcher)? (serve|hold)' | grep -v grep | sed 's/^/process /'
true
`;

/** Everything that the driver has left on its nodes, a line each with the node's name. */
export async function leftoversOn(target: Target): Promise<string[]> {
  const lines: string[] = [];
  for (const node of target.nodes) {
    const { code, output } = await target.onNode(node, script);
    if (code !== 0) throw new Error(`${node}: ${output}`);
    lines.push(
      ...output
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => `${node} ${line}`),
    );
  }
  return lines;
}
