import assert from "node:assert/strict";
import type { Space } from "../space.ts";
import { eager } from "./first-volume.ts";

/**
 * Appends a number and syncs it, again and again, from the last one in the file on; says each number that is safe, and
 * when, in hundredths of a second.
 */
export const writer = `
i=$(tail -n 1 /data/log 2>/dev/null | sed 's/^0*//')
i=\${i:-0}
trap 'exit 0' TERM
while :; do
  i=$((i + 1))
  printf '%08d\\n' $i | dd of=/data/log oflag=append conv=notrunc,fsync bs=9 count=1 2>/tmp/said ||
    { echo "failed at $i: $(cat /tmp/said)"; exit 1; }
  read -r now rest </proc/uptime
  echo "$i $now"
done
`;

/** What a writer's log says. */
export interface Acknowledged {
  /** The last number that is safe; 0 when there is none. */
  readonly last: number;
  readonly longestMs: number;
}

/** Reads a writer's log. @throws {Error} when a write failed. */
export function readWriterLog(pod: string, text: string): Acknowledged {
  const said = text.split("\n").filter((line) => line !== "");
  const failed = said.find((line) => line.startsWith("failed"));
  if (failed !== undefined) throw new Error(`${pod}: ${failed}`);
  const times = said.map((line) => Number(line.split(" ")[1]));
  const pauses = times.slice(1).map((time, i) => time - (times[i] ?? time));
  return {
    last: Number(said.at(-1)?.split(" ")[0] ?? 0),
    longestMs: Math.round(Math.max(0, ...pauses) * 1000),
  };
}

/** What a writer has called safe so far. */
export async function acknowledged(space: Space, pod: string): Promise<Acknowledged> {
  return readWriterLog(pod, await space.kubectl(["logs", pod]));
}

/** Waits until each writer has made so much progress. */
export async function progress(space: Space, pods: readonly string[], count: number) {
  const start = await Promise.all(pods.map((pod) => acknowledged(space, pod)));
  for (const [i, pod] of pods.entries()) {
    const least = (start[i]?.last ?? 0) + count;
    await space.until(
      `progress of ${pod}`,
      async () => (await acknowledged(space, pod)).last >= least,
      120_000,
    );
  }
}

/** Asserts that nothing of the volume was kept aside as an edit that lost against S3. */
export async function assertNothingLost(space: Space, pod: string): Promise<void> {
  const lost = await space.exec(pod, "ls -A .s3files-lost+found-* 2>/dev/null || true");
  assert.equal(lost, "", "in lost+found");
}

/** Asserts that the file has every number up to `last`, each once and in order. */
export async function assertWritten(space: Space, pod: string, last: number): Promise<void> {
  // Compared there: a log of minutes is long.
  const script = `seq 1 ${last} | awk '{ printf "%08d\\n", $1 }' > /tmp/expected && head -n ${last} log | cmp - /tmp/expected`;
  await space.exec(pod, script);
}

/**
 * Lets pods write with fsync while `disturb` runs and a while longer; none may see an error or start again, and every
 * number that one has called safe must be in its file.
 */
export async function undisturbed(
  space: Space,
  disturb: (space: Space, pods: readonly string[]) => Promise<void>,
  options: {
    readonly writers?: number;
    readonly parameters?: Readonly<Record<string, string>>;
  } = {},
): Promise<void> {
  const { writers = 1, parameters = {} } = options;
  const node = space.target.nodes[0] ?? "";
  const pods = Array.from({ length: writers }, (_, i) => `writer-${i + 1}`);
  const storageClass = await space.storageClass({ ...eager, ...parameters });
  for (const pod of pods) {
    await space.claim(pod, storageClass);
    await space.pod(pod, { claim: pod, script: writer, node });
  }
  for (const pod of pods) await space.ready(pod, 180);
  await progress(space, pods, 10);
  await disturb(space, pods);
  await progress(space, pods, 30);
  const longest: number[] = [];
  for (const pod of pods) {
    const { last, longestMs } = await acknowledged(space, pod);
    longest.push(longestMs);
    const restarts = await space.field(`pod/${pod}`, "{.status.containerStatuses[0].restartCount}");
    assert.equal(restarts, "0", `${pod} has been started again`);
    await assertWritten(space, pod, last);
  }
  space.note(`longest pause of an fsync: ${longest.map((ms) => `${ms} ms`).join(", ")}`);
}
