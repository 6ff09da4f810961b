import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../../src/cli/arguments.ts";
import { parseConfig } from "../../../src/cli/config.ts";

describe("The configuration", () => {
  let folder: string;
  let file: string;
  const write = (document: unknown) =>
    writeFileSync(file, typeof document === "string" ? document : JSON.stringify(document));
  const refused = (
    environment: Readonly<Record<string, string>>,
    message: RegExp,
    given: { file?: string; logLevel?: string } = {},
  ) =>
    assert.throws(
      () => parseConfig(environment, given),
      (error) => error instanceof UsageError && message.test(error.message),
    );

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "s3files-config-"));
    file = join(folder, "config.json");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("is AWS in us-east-1 when nothing is said", () => {
    const config = parseConfig({});
    assert.deepEqual(config.connection, { region: "us-east-1" });
    assert.equal(config.logLevel, "info");
    assert.equal(config.stateDirectory, "/var/lib/s3files");
  });

  it("cannot be changed by those who read it", () => {
    const config = parseConfig({});
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.connection));
  });

  it("takes the environment over the file, and an option over both", () => {
    write({
      format: 1,
      clusterName: "one",
      connections: { default: { endpoint: "http://file:1/", region: "eu-west-1" } },
    });
    const environment = {
      S3FILES_CONFIG: file,
      AWS_REGION: "eu-central-1",
      S3FILES_LOG_LEVEL: "warn",
    };
    const config = parseConfig(environment, { logLevel: "debug" });
    assert.equal(config.connection.endpoint, "http://file:1");
    assert.equal(config.connection.region, "eu-central-1");
    assert.equal(config.clusterName, "one");
    assert.equal(config.logLevel, "debug");
    assert.equal(
      parseConfig({ ...environment, S3FILES_REGION: "r" }).connection.region,
      "r",
      "ours wins over AWS's",
    );
  });

  it("takes an empty variable for one that is not set", () => {
    write({ format: 1, connections: { default: { region: "eu-west-1", forcePathStyle: true } } });
    const environment = { S3FILES_REGION: "", S3FILES_FORCE_PATH_STYLE: "", CSI_ENDPOINT: "" };
    const config = parseConfig(environment, { file });
    assert.equal(config.connection.region, "eu-west-1");
    assert.equal(config.connection.forcePathStyle, true);
    assert.equal("csiEndpoint" in config, false);
  });

  it("refuses a file that is missing, broken, of another format or with keys it does not know", () => {
    refused({}, /missing\.json cannot be read/, { file: join(folder, "missing.json") });
    for (const [document, message] of [
      ["{", /is not JSON/],
      ["[]", /is no JSON object/],
      [{}, /has format undefined, not 1/],
      [{ format: 2 }, /has format 2, not 1/],
      [{ format: 1, conections: {} }, /unknown key 'conections'/],
      [{ format: 1, connections: { Other: {} } }, /'Other' is no name/],
      [{ format: 1, connections: { other: { key: 1 } } }, /connections.other: unknown key 'key'/],
      [{ format: 1, connections: { default: { regoin: "x" } } }, /unknown key 'regoin'/],
      [{ format: 1, connections: { default: { region: 7 } } }, /region is no text/],
      [{ format: 1, connections: { default: { forcePathStyle: "yes" } } }, /forcePathStyle/],
    ] as const) {
      write(document);
      refused({}, message, { file });
    }
  });

  it("has connections by name, and variables speak of the default one only", () => {
    write({ format: 1, connections: { backup: { region: "eu-west-1", caBundle: "/ca" } } });
    const config = parseConfig({ S3FILES_CONFIG: file, S3FILES_ENDPOINT: "http://default:1" });
    assert.deepEqual(config.connections, {
      backup: { region: "eu-west-1", caBundle: "/ca" },
      default: { region: "us-east-1", endpoint: "http://default:1" },
    });
  });

  it("refuses malformed variables by their name, and an endpoint with a password without showing it", () => {
    refused({ S3FILES_FORCE_PATH_STYLE: "maybe" }, /^S3FILES_FORCE_PATH_STYLE is neither/);
    refused({ S3FILES_LOG_LEVEL: "loud" }, /'loud' is none of debug, info/);
    refused({ S3FILES_ENDPOINT: "ftp://x" }, /no http or https URL/);
    assert.throws(
      () => parseConfig({ S3FILES_ENDPOINT: "http://user:hunter2@host" }),
      (error: Error) => !error.message.includes("hunter2"),
    );
  });
});
