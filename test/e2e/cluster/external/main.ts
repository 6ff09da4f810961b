/**
 * Runs the External Storage suite of Kubernetes against the driver in a cluster, and judges the run:
 * `node test/e2e/cluster/external/main.ts --kubeconfig FILE [--network-namespace NAME] [--part] [--procs N]
 * [--ssh-key FILE] [--programs FOLDER] [--output FOLDER]`. With `--part`, one spec of each suite that applies.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { projectDir } from "../../../support/uml.ts";
import { excluded, leastListed, leastRun, part } from "./expected.ts";
import { assess, readReport } from "./report.ts";
import { runSuite } from "./run-suite.ts";
import { skipReasons } from "./skip-reasons.ts";

const { values } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    "network-namespace": { type: "string" },
    part: { type: "boolean", default: false },
    procs: { type: "string", default: "4" },
    "ssh-key": { type: "string" },
    programs: { type: "string", default: join(projectDir, "build/external") },
    output: { type: "string", default: join(projectDir, "build/external-report") },
  },
});
if (values.kubeconfig === undefined) throw new Error("--kubeconfig names the cluster");

const output = resolve(values.output);
const reportPath = join(output, "report.json");
mkdirSync(output, { recursive: true });
rmSync(reportPath, { force: true }); // An old report must not be taken for this run's.
const status = await runSuite({
  programs: resolve(values.programs),
  kubeconfig: resolve(values.kubeconfig),
  output,
  processes: Number(values.procs),
  focus: values.part ? part : [],
  skip: excluded.map(({ name }) => name),
  ...(values["network-namespace"] === undefined
    ? {}
    : { networkNamespace: values["network-namespace"] }),
  ...(values["ssh-key"] === undefined ? {} : { sshKey: resolve(values["ssh-key"]) }),
});

const run = readReport(readFileSync(reportPath, "utf8"));
const { passed, failed, notApplicable, lacking, complaints } = assess(
  run,
  values.part
    ? { reasons: skipReasons, leastRun: part.length, leastListed: part.length, mustPass: part }
    : { reasons: skipReasons, leastRun, leastListed, mustPass: [] },
);
const say = (line: string) => void process.stdout.write(`${line}\n`);
for (const { name, because } of excluded) say(`Left out: ${name} (${because})`);
for (const complaint of complaints) say(complaint);
for (const [what, count] of lacking) say(`${count} specs did not run: this cluster lacks ${what}`);
say(`${passed} passed, ${failed} failed, ${notApplicable} not applicable; report: ${reportPath}`);
// Ginkgo fails for reasons that no report has, such as a process that died.
if (complaints.length === 0 && status !== 0) say(`ginkgo ended with ${status}`);
process.exitCode = complaints.length === 0 && status === 0 ? 0 : 1;
