import assert from "node:assert/strict";
import {
  Arguments,
  type Command,
  helpOf,
  parseArguments,
  UsageError,
} from "../../../src/cli/arguments.ts";

const command: Command = {
  usage: "--bucket NAME [options]",
  options: {
    listen: { value: "HOST:PORT", help: "where" },
    bucket: { value: "NAME", repeated: true, help: "which" },
    "latency-ms": { value: "N", help: "how slow" },
    mode: { value: "MODE", required: true, help: "how" },
    json: { help: "as JSON" },
  },
  run: () => Promise.resolve(0),
};

const parse = (...argv: string[]) => parseArguments(command, ["--mode", "full", ...argv]);
const refused = (argv: string[], message: RegExp) =>
  assert.throws(
    () => parseArguments(command, argv),
    (error) => error instanceof UsageError && message.test(error.message),
  );

describe("Arguments of a command", () => {
  it("are values, flags and lists", () => {
    const args = parse("--bucket", "a", "--bucket=b", "--json");
    assert.deepEqual(args.list("bucket"), ["a", "b"]);
    assert.equal(args.text("mode"), "full");
    assert.equal(args.text("listen"), undefined);
    assert.equal(args.flag("json"), true);
  });

  it("name an unknown option and the one that was likely meant", () => {
    refused(["--bucked", "a"], /Unknown option --bucked; did you mean --bucket\?/);
    refused(["--nothing-like-it"], /Unknown option --nothing-like-it$/);
    refused(["-j"], /Unknown option -j/);
  });

  it("are not taken from an object's prototype", () => {
    refused(["--constructor", "a"], /Unknown option --constructor/);
  });

  it("miss their value when another option follows", () => {
    refused(["--mode", "--json"], /--mode needs a value: --mode MODE/);
    refused(["--mode"], /--mode needs a value/);
    assert.equal(parseArguments(command, ["--mode=--json"]).text("mode"), "--json");
  });

  it("are refused when given twice, or with a value for a flag", () => {
    refused(["--mode", "a", "--mode", "b"], /--mode is given twice/);
    refused(["--mode", "a", "--json=yes"], /--json takes no value/);
  });

  it("are refused without what is required, and with what nobody asked for", () => {
    refused([], /--mode is missing/);
    refused(["--mode", "a", "stray"], /Unexpected argument 'stray'/);
  });

  it("ask for nothing when help is wanted", () => {
    assert.equal(parseArguments(command, ["--help"]).flag("help"), true);
  });

  it("hold numbers to their bounds", () => {
    const bounds = { least: 1, most: 10 };
    assert.equal(parse("--latency-ms", "10").integer("latency-ms", bounds), 10);
    assert.equal(parse().integer("latency-ms", bounds), undefined);
    for (const text of ["0", "11", "-1", "1.5", "1e1", "", "9".repeat(16)]) {
      const args = parse(`--latency-ms=${text}`);
      assert.throws(() => args.integer("latency-ms", bounds), /--latency-ms: '.*' is not a whole/);
    }
  });

  it("take addresses with and without a host, of both families", () => {
    const address = (text: string) => parse("--listen", text).address("listen");
    assert.deepEqual(address("0.0.0.0:9000"), { host: "0.0.0.0", port: 9000 });
    assert.deepEqual(address("9000"), { host: "127.0.0.1", port: 9000 });
    assert.deepEqual(address("[::1]:0"), { host: "::1", port: 0 });
    for (const text of ["localhost", "a:b", "::1:80", "a:70000"]) {
      assert.throws(() => address(text), /--listen: '.*' is not HOST:PORT/);
    }
  });

  it("fall back to the environment where the command says so, and to nothing else", () => {
    const args = new Arguments(command.options, { values: {}, positionals: [] });
    assert.equal(args.required("mode", "from the environment"), "from the environment");
    assert.throws(() => args.required("mode"), /--mode is missing/);
  });

  it("are all in the help text, aligned", () => {
    const help = helpOf("thing", "does things", command);
    assert.match(help, /^Usage: s3files thing --bucket NAME \[options\]$/m);
    const columns = [...Object.keys(command.options), "config", "log-level", "help"].map((name) => {
      const line = help.split("\n").find((text) => text.startsWith(`  --${name}`));
      return line?.search(/\S {2,}\S/);
    });
    assert.ok(columns.every((column) => column !== undefined && column > 0));
  });
});
