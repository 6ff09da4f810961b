import assert from "node:assert/strict";
import { excluded, part } from "../../e2e/cluster/external/expected.ts";
import { assess, type Expectations, readReport } from "../../e2e/cluster/external/report.ts";
import { suiteCommand } from "../../e2e/cluster/external/run-suite.ts";
import { skipReasons } from "../../e2e/cluster/external/skip-reasons.ts";

const spec = (LeafNodeText: string, State: string, Message?: string, LeafNodeType = "It") => ({
  ContainerHierarchyTexts: ["External Storage", "[Testpattern: Dynamic PV (default fs)] volumes"],
  LeafNodeType,
  LeafNodeText,
  State,
  RunTime: 2e9,
  ...(Message === undefined ? {} : { Failure: { Message } }),
});

const report = (specs: readonly unknown[], SuiteSucceeded = true, why: readonly string[] = []) =>
  JSON.stringify([{ SuiteSucceeded, SpecialSuiteFailureReasons: why, SpecReports: specs }]);

const loose: Expectations = { reasons: skipReasons, leastListed: 0, leastRun: 0, mustPass: [] };
const judge = (json: string, expectations: Partial<Expectations> = {}) =>
  assess(readReport(json), { ...loose, ...expectations });

const noBlock = 'Driver "s3files.csi.dev" does not provide raw block - skipping';

describe("the verdict on a run of the External Storage suite", () => {
  it("counts passed, failed and not applicable specs, and none that the focus left out", () => {
    const { complaints, lacking, ...counts } = judge(
      report([
        spec("should store data", "passed"),
        spec("should map block", "skipped", noBlock),
        spec("of another suite", "skipped"),
        spec("not written yet", "pending"),
      ]),
    );
    assert.deepEqual(counts, { passed: 1, failed: 0, notApplicable: 1 });
    assert.deepEqual(complaints, []);
    assert.equal(lacking.size, 0);
  });

  it("names each spec that failed, timed out or panicked, with what it said", () => {
    for (const state of ["failed", "timedout", "panicked", "interrupted", "aborted"]) {
      const { failed, complaints } = judge(
        report([spec("should store data", state, "no such file")], false),
      );
      assert.equal(failed, 1);
      assert.equal(complaints.length, 1);
      assert.match(complaints[0] ?? "", /volumes should store data\nno such file/);
    }
  });

  it("fails for a skip that no reason explains", () => {
    const { notApplicable, complaints } = judge(
      report([spec("should store data", "skipped", "The moon is full")]),
    );
    assert.equal(notApplicable, 0);
    assert.match(complaints[0] ?? "", /^Skipped for no known reason: .*\nThe moon is full$/);
  });

  it("counts apart what the cluster lacks for a spec to run", () => {
    const { notApplicable, lacking, complaints } = judge(
      report([
        spec("kubelet restart", "skipped", "No SSH Key for provider : 'no such file'"),
        spec("two nodes", "skipped", "Number of available nodes is less than 2 - skipping"),
      ]),
    );
    assert.equal(notApplicable, 0);
    assert.deepEqual([...lacking.values()], [1, 1]);
    assert.deepEqual(complaints, []);
  });

  it("fails when fewer specs ran, or were selected, than before", () => {
    const json = report([spec("a", "passed"), spec("b", "skipped", noBlock)]);
    assert.deepEqual(judge(json, { leastRun: 1, leastListed: 2 }).complaints, []);
    assert.match(judge(json, { leastRun: 2 }).complaints[0] ?? "", /1 specs ran/);
    assert.match(judge(json, { leastListed: 3 }).complaints[0] ?? "", /2 specs were selected/);
  });

  it("fails when a spec that must pass is missing or skipped itself, and once when it failed", () => {
    const mustPass = ["volumes should store data"];
    assert.deepEqual(
      judge(report([spec("should store data", "passed")]), { mustPass }).complaints,
      [],
    );
    for (const specs of [[], [spec("should store data", "skipped", noBlock)]]) {
      assert.deepEqual(judge(report(specs), { mustPass }).complaints, [
        "Did not run: volumes should store data",
      ]);
    }
    const failed = judge(report([spec("should store data", "failed", "x")], false), { mustPass });
    assert.equal(failed.complaints.length, 1);
  });

  it("fails for a set-up that failed, and for a failed suite that does not say why", () => {
    const setUp = spec("", "failed", "no nodes", "SynchronizedBeforeSuite");
    assert.deepEqual(judge(report([setUp], false)).complaints, [
      "SynchronizedBeforeSuite: no nodes",
    ]);
    assert.deepEqual(judge(report([], false, ["Interrupted"])).complaints, ["Interrupted"]);
    assert.deepEqual(judge(report([], false)).complaints, [
      "The suite failed and does not say why",
    ]);
  });

  it("is refused for a report that is cut short or has no suite", () => {
    assert.throws(() => readReport(report([]).slice(0, -5)), SyntaxError);
    assert.throws(() => readReport("[]"), /no suite/);
  });
});

describe("the reasons for which specs of the External Storage suite skip themselves", () => {
  const driver = 'Driver "s3files.csi.dev"';
  // As the suite of Kubernetes 1.36 says it.
  const messages: Readonly<Record<string, readonly string[]>> = {
    "the suite has such volumes for drivers within Kubernetes only": [
      `${driver} does not support volume type "InlineVolume" - skipping`,
      `${driver} does not support volume type "PreprovisionedPV" - skipping`,
    ],
    "no CSI inline volumes: pods take generic ephemeral ones": [
      `${driver} does not support volume type "CSIInlineVolume" - skipping`,
    ],
    "volumes have no disk format": ["Driver s3files.csi.dev doesn't support ext4 -- skipping"],
    "no block volumes": [
      "Driver s3files.csi.dev doesn't support Block -- skipping",
      `${driver} does not support block volume mode - skipping`,
      `${driver} does not support read only raw block volumes - skipping`,
    ],
    "no snapshots yet": [
      `${driver} does not support snapshots - skipping`,
      `${driver} does not support volume snapshots - skipping`,
      `${driver} does not support group snapshots - skipping`,
      `${driver} does not support snapshot metadata`,
      `${driver} does not support populating data from snapshot - skipping`,
      "Driver s3files.csi.dev doesn't specify snapshot stress test options -- skipping",
      "Driver s3files.csi.dev doesn't specify volume group snapshot stress test options -- skipping",
    ],
    "no clones yet": [
      `${driver} does not support cloning - skipping`,
      `${driver} does not support volume clone - skipping`,
    ],
    "no expansion yet": [
      `${driver} does not support volume expansion - skipping`,
      `${driver} does not support online volume expansion - skipping`,
      `${driver} does not support filesystem resizing - skipping`,
    ],
    "no live changes yet": [
      `${driver} does not support VolumeAttributesClass tests - skipping`,
      "Driver s3files.csi.dev doesn't specify volume modify stress test options -- skipping",
    ],
  };

  it("are told apart by what the suite says", () => {
    for (const [because, said] of Object.entries(messages)) {
      for (const message of said) {
        const found = skipReasons.filter((reason) => reason.said.test(message));
        assert.deepEqual(
          found.map((reason) => reason.because),
          [because],
          message,
        );
      }
    }
  });

  it("cover nothing that the driver is said to be able to do", () => {
    for (const message of [
      `${driver} does not support exec - skipping`,
      `${driver} does not support FsGroup - skipping`,
      `${driver} does not support multiple concurrent pods - skipping`,
      `${driver} doesn't support ReadWriteOncePod - skipping`,
      `${driver} does not define supported mount option - skipping`,
      "Driver s3files.csi.dev doesn't specify stress test options -- skipping",
      "Driver s3files.csi.dev doesn't support RWX -- skipping",
      `${driver} does not support volume type "DynamicPV" - skipping`,
      "this driver does not support multiple PVs with the same volumeHandle",
    ]) {
      assert.deepEqual(
        skipReasons.filter((reason) => reason.said.test(message)),
        [],
        message,
      );
    }
  });
});

describe("the command that runs the External Storage suite", () => {
  const command = (focus: readonly string[]) =>
    suiteCommand({
      programs: "/p",
      kubeconfig: "/k",
      output: "/o",
      processes: 3,
      focus,
      skip: excluded.map(({ name }) => name),
    });
  const patterns = (args: readonly string[], option: string) =>
    args.filter((arg) => arg.startsWith(option)).map((arg) => new RegExp(arg.slice(option.length)));

  it("selects each spec of the part by its literal name, and no excluded one", () => {
    const focus = patterns(command(part), "--focus=");
    const name = (text: string) => `External Storage [Driver: s3files.csi.dev] ${text}`;
    for (const text of part) {
      assert.equal(focus.filter((pattern) => pattern.test(name(text))).length, 1, text);
      assert.ok(!focus.some((pattern) => pattern.test(text)), "of another suite");
      assert.ok(!patterns(command(part), "--skip=").some((pattern) => pattern.test(name(text))));
    }
  });

  it("selects the whole suite without a part", () => {
    const [focus, ...more] = patterns(command([]), "--focus=");
    assert.deepEqual(more, []);
    assert.ok(focus?.test("External Storage [Driver: s3files.csi.dev] anything"));
    assert.ok(!focus?.test("[sig-storage] CSI Volumes"));
  });
});
