import assert from "node:assert/strict";
import { Arguments, helpOf, parseArguments, UsageError } from "../../../src/cli/arguments.ts";
import { commands } from "../../../src/cli/commands.ts";
import { parseConfig } from "../../../src/cli/config.ts";
import { conflictsText } from "../../../src/cli/conflicts.ts";
import { csiEndpointOption, csiSocketPath } from "../../../src/cli/csi-endpoint.ts";
import { describeError } from "../../../src/cli/describe-error.ts";

describe("The commands", () => {
  it("each load, explain all their options and accept --help alone", async () => {
    for (const [name, row] of Object.entries(commands)) {
      const command = await row.load();
      const help = helpOf(name, row.summary, command);
      assert.match(help, new RegExp(`^s3files ${name}: `));
      for (const option of Object.keys(command.options))
        assert.match(help, RegExp(`--${option}\\b`));
      assert.equal(parseArguments(command, ["--help"]).flag("help"), true);
    }
  });

  it("have no option twice in two meanings", async () => {
    for (const { load } of Object.values(commands)) {
      const { options } = await load();
      for (const common of ["config", "log-level", "help"]) assert.ok(!(common in options));
    }
  });
});

describe("s3files conflicts", () => {
  it("names each local version below the mount, with its size and time", () => {
    const file = { name: "0000000002_a b", sizeBytes: 2048, changedMs: 1_700_000_000_000 };
    assert.equal(conflictsText("v", { directory: "lost", files: [] }), "v: no conflicts\n");
    const known = { key: "d/a", reason: "edited here, deleted at S3", atMs: 0, baseEtag: '"1"' };
    assert.match(
      conflictsText("v", { directory: "lost", files: [{ ...file, ...known }] }),
      /1970-01-01.*\n {4}of key "d\/a": edited here, deleted at S3 \(from "1", S3 has nothing\)\n$/,
    );
    assert.match(
      conflictsText("v", { directory: "lost", files: [file] }),
      /^v: S3 has won over 1 .*\n {2}lost\/0000000002_a b {2}2\.0 KiB {2}2023-11-14T22:13:20/,
    );
  });
});

describe("The CSI endpoint", () => {
  const path = (option: string | undefined, environment: Record<string, string> = {}) =>
    csiSocketPath(
      new Arguments(csiEndpointOption, {
        values: option === undefined ? {} : { "csi-endpoint": [option] },
        positionals: [],
      }),
      parseConfig(environment),
    );

  it("is a unix socket in each of the ways that Kubernetes writes it", () => {
    for (const text of ["unix:///csi/csi.sock", "unix:/csi/csi.sock", "/csi/csi.sock"]) {
      assert.equal(path(text), "/csi/csi.sock");
    }
    assert.equal(path(undefined, { CSI_ENDPOINT: "unix:///csi/csi.sock" }), "/csi/csi.sock");
  });

  it("is refused when it is missing, of another kind, relative or too long for a socket", () => {
    for (const text of [
      undefined,
      "tcp://0.0.0.0:1",
      "unix://csi.sock",
      "csi.sock",
      `/${"x".repeat(107)}`,
    ]) {
      assert.throws(() => path(text), UsageError);
    }
  });
});

describe("An error's description", () => {
  it("is one line of the message and its causes, none said twice", () => {
    const low = new Error("connect ECONNREFUSED 127.0.0.1:1");
    const middle = new Error("HEAD failed: connect ECONNREFUSED 127.0.0.1:1", { cause: low });
    const error = new Error("Cannot start", { cause: middle });
    assert.equal(
      describeError(error),
      "Cannot start: HEAD failed: connect ECONNREFUSED 127.0.0.1:1",
    );
    assert.equal(describeError("text"), "text");
  });
});
