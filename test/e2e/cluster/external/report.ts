/** What became of one spec that the run selected. */
export interface SpecOutcome {
  /** Its full text: containers, then the spec itself. */
  readonly name: string;
  readonly state: "passed" | "failed" | "skipped";
  /** Why it failed or skipped itself. */
  readonly message: string;
  readonly seconds: number;
}

/** A run of the suite, without the specs that its focus left out. */
export interface SuiteRun {
  readonly specs: readonly SpecOutcome[];
  /** What failed outside specs: set-up, tear-down, an interrupted run. */
  readonly problems: readonly string[];
}

interface GinkgoSpec {
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeType: string;
  readonly LeafNodeText: string;
  readonly State: string;
  /** Nanoseconds. */
  readonly RunTime: number;
  readonly Failure?: { readonly Message?: string };
}

interface GinkgoReport {
  readonly SuiteSucceeded: boolean;
  readonly SpecialSuiteFailureReasons: readonly string[] | null;
  readonly SpecReports: readonly GinkgoSpec[] | null;
}

/**
 * Reads Ginkgo's JSON report.
 * @throws {Error} when it is cut short or is no such report
 */
export function readReport(json: string): SuiteRun {
  const reports: unknown = JSON.parse(json);
  if (!Array.isArray(reports) || reports.length === 0) throw new Error("The report has no suite");
  const specs: SpecOutcome[] = [];
  const problems: string[] = [];
  for (const suite of reports as readonly GinkgoReport[]) {
    const failedBefore = problems.length + specs.filter(({ state }) => state === "failed").length;
    problems.push(...(suite.SpecialSuiteFailureReasons ?? []));
    for (const spec of suite.SpecReports ?? []) {
      const message = spec.Failure?.Message ?? "";
      const name = [...(spec.ContainerHierarchyTexts ?? []), spec.LeafNodeText].join(" ").trim();
      if (spec.LeafNodeType !== "It") {
        if (spec.State !== "passed" && spec.State !== "skipped") {
          problems.push(`${spec.LeafNodeType}: ${message || spec.State}`);
        }
        continue;
      }
      // The focus leaves a spec out without a word; one that skips itself says why.
      if (spec.State === "pending" || (spec.State === "skipped" && message === "")) continue;
      const state = spec.State === "passed" || spec.State === "skipped" ? spec.State : "failed";
      specs.push({ name, state, message, seconds: spec.RunTime / 1e9 });
    }
    const failed = problems.length + specs.filter(({ state }) => state === "failed").length;
    if (!suite.SuiteSucceeded && failed === failedBefore) {
      problems.push("The suite failed and does not say why");
    }
  }
  return { specs, problems };
}

/** A reason for which specs may skip themselves. */
export interface SkipReason {
  /** Matches what the spec said. */
  readonly said: RegExp;
  /** Why the spec has nothing to show about this driver, or what is missing for it to run. */
  readonly because: string;
  /** The spec would apply, but this cluster lacks what it needs: counted apart. */
  readonly lacking?: true;
}

/** What must hold of a run beyond its own verdict. */
export interface Expectations {
  readonly reasons: readonly SkipReason[];
  /** The fewest specs that must have been selected, also those that skipped themselves. */
  readonly leastListed: number;
  /** The fewest specs that must have run, whatever their outcome. */
  readonly leastRun: number;
  /** Parts of names: for each a spec must have passed. */
  readonly mustPass: readonly string[];
}

/** The verdict on a run. */
export interface Assessment {
  readonly passed: number;
  readonly failed: number;
  readonly notApplicable: number;
  /** Specs that this cluster could not run, by what it lacks. */
  readonly lacking: ReadonlyMap<string, number>;
  /** Each a sentence; none when all is well. */
  readonly complaints: readonly string[];
}

/** Judges a run: every spec passed or skipped itself for a known reason, and not fewer ran than did before. */
export function assess(run: SuiteRun, expectations: Expectations): Assessment {
  const { reasons, leastListed, leastRun, mustPass } = expectations;
  const complaints = [...run.problems];
  const lacking = new Map<string, number>();
  let notApplicable = 0;
  for (const { name, state, message } of run.specs) {
    if (state === "failed") complaints.push(`Failed: ${name}\n${message}`);
    if (state !== "skipped") continue;
    const reason = reasons.find(({ said }) => said.test(message));
    if (reason === undefined) complaints.push(`Skipped for no known reason: ${name}\n${message}`);
    else if (reason.lacking) lacking.set(reason.because, (lacking.get(reason.because) ?? 0) + 1);
    else notApplicable++;
  }
  const passed = run.specs.filter(({ state }) => state === "passed").length;
  const failed = run.specs.filter(({ state }) => state === "failed").length;
  if (passed + failed < leastRun) {
    complaints.push(`${passed + failed} specs ran; at least ${leastRun} did before`);
  }
  if (run.specs.length < leastListed) {
    complaints.push(
      `${run.specs.length} specs were selected; the suite has at least ${leastListed}`,
    );
  }
  for (const part of mustPass) {
    const found = run.specs.filter(({ name }) => name.includes(part));
    if (found.some(({ state }) => state === "passed")) continue;
    if (found.every(({ state }) => state !== "failed")) complaints.push(`Did not run: ${part}`);
  }
  return { passed, failed, notApplicable, lacking, complaints };
}
