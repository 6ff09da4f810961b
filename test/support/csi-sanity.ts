import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What a run of csi-sanity came to; a spec is named by its full text. */
export interface SanityResult {
  readonly passed: readonly string[];
  /** Left out by csi-sanity itself, because the driver does not advertise what they need. */
  readonly skipped: readonly string[];
  readonly failed: readonly string[];
  /** Switched off in csi-sanity's own source. */
  readonly pending: readonly string[];
  readonly output: string;
}

const entities: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&#34;": '"',
  "&#39;": "'",
  "&amp;": "&",
};
const plain = (text: string) => text.replace(/&[a-z0-9#]+;/g, (one) => entities[one] ?? one);

/** The specs of a report in JUnit's form, as ginkgo writes it. */
export function readReport(report: string, output: string): SanityResult {
  const by: Record<"passed" | "skipped" | "failed" | "pending", string[]> = {
    passed: [],
    skipped: [],
    failed: [],
    pending: [],
  };
  for (const [, name = "", status = ""] of report.matchAll(
    /<testcase name="([^"]*)"[^>]* status="([^"]*)"/g,
  )) {
    if (!name.startsWith("[It]")) {
      // Set-up of the whole suite: of interest only when it fails.
      if (status !== "passed") by.failed.push(plain(name));
    } else if (status === "passed" || status === "skipped" || status === "pending") {
      by[status].push(plain(name).slice("[It] ".length));
    } else by.failed.push(plain(name));
  }
  return { ...by, output };
}

/** The arguments of a run in `folder`, which exists and is the run's own. */
export function sanityArguments(run: {
  readonly folder: string;
  readonly nodeSocket: string;
  readonly controllerSocket: string;
}): string[] {
  const { folder, nodeSocket, controllerSocket } = run;
  return [
    `--csi.endpoint=unix://${nodeSocket}`,
    `--csi.controllerendpoint=unix://${controllerSocket}`,
    `--csi.mountdir=${join(folder, "mount")}`,
    `--csi.stagingdir=${join(folder, "staging")}`,
    `--ginkgo.junit-report=${join(folder, "report.xml")}`,
    "--ginkgo.no-color",
    "--ginkgo.v",
  ];
}

/** Runs the csi-sanity of build/bin, which scripts/install-csi-sanity.sh brings. */
export async function runCsiSanity(
  run: Parameters<typeof sanityArguments>[0],
): Promise<SanityResult> {
  const binary = join(import.meta.dirname, "../../build/bin/csi-sanity");
  if (!existsSync(binary)) throw new Error("csi-sanity is missing: scripts/install-csi-sanity.sh");
  const child = spawn(binary, sanityArguments(run), { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  await once(child, "close");
  const report = join(run.folder, "report.xml");
  return readReport(existsSync(report) ? readFileSync(report, "utf8") : "", output);
}

/** What the driver advertises, in its order; each brings specs of csi-sanity with it. */
export const advertised = {
  controller: ["CREATE_DELETE_VOLUME", "LIST_VOLUMES", "GET_VOLUME", "SINGLE_NODE_MULTI_WRITER"],
  node: [
    "STAGE_UNSTAGE_VOLUME",
    "GET_VOLUME_STATS",
    "VOLUME_MOUNT_GROUP",
    "SINGLE_NODE_MULTI_WRITER",
  ],
};

/** Calls after which a process is killed to show that it keeps nothing in its memory. */
export const restartingRpcs: ReadonlySet<string> = new Set([
  "CreateVolume",
  "DeleteVolume",
  "NodeStageVolume",
  "NodeUnstageVolume",
  "NodePublishVolume",
  "NodeUnpublishVolume",
]);

/** Specs of csi-sanity 5.5.0 by what they need, as far as the driver does not offer it; and how many they are. */
const notApplicable: readonly (readonly [capability: string, specs: RegExp, count: number])[] = [
  ["CREATE_DELETE_SNAPSHOT", /^(Create|Delete)Snapshot |CreateVolume .* source snapshot/, 10],
  ["LIST_SNAPSHOTS", /^ListSnapshots /, 7],
  ["GET_SNAPSHOT", /^GetSnapshot /, 3],
  ["CLONE_VOLUME", / CreateVolume .* source volume/, 2],
  ["MODIFY_VOLUME", /^ModifyVolume |CreateVolume .* volume attribute class$/, 8],
  ["PUBLISH_UNPUBLISH_VOLUME", / (Controller(Unp|P)ublishVolume|volume lifecycle) /, 10],
  ["EXPAND_VOLUME", /^ExpandVolume | NodeExpandVolume /, 7],
  ["GET_CAPACITY", / GetCapacity /, 1],
  ["GROUP_CONTROLLER_SERVICE", /^GroupController Service /, 6],
];

/** How many specs apply to the driver: fewer mean that something no longer runs. */
const specCount = 41;

/** Fails unless every spec of csi-sanity passed, but those that need what the driver does not advertise. */
export function assertWholeSuite(result: SanityResult): void {
  const { passed, skipped, failed, pending, output } = result;
  assert.deepEqual(failed, [], output.slice(-8_000));
  const unexplained = skipped.filter(
    (spec) => !notApplicable.some(([, specs]) => specs.test(spec)),
  );
  assert.deepEqual(unexplained, []);
  const counts = notApplicable.map(([capability, specs]) => [
    capability,
    skipped.filter((spec) => specs.test(spec)).length,
  ]);
  assert.deepEqual(
    counts,
    notApplicable.map(([capability, , count]) => [capability, count]),
  );
  assert.equal(passed.length, specCount);
  // csi-sanity's authors switched it off themselves.
  assert.deepEqual(
    pending.map((spec) => /pagination should detect volumes added/.test(spec)),
    [true],
  );
}
