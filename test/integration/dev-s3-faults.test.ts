import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { CopyObjectCommand, HeadObjectCommand, RestoreObjectCommand } from "@aws-sdk/client-s3";
import { answerRemote } from "../../src/dev-s3/remote-control.ts";
import { type DevS3, startDevS3 } from "../../src/dev-s3/server.ts";
import { fails, newClient, put, type S3Api, text } from "../contract/s3-api-case.ts";
import { FakeClock } from "../fakes/fake-clock.ts";

/** The document of a request below `/_dev-s3/`, or the status when there is none. */
async function remote(server: DevS3, method: string, path: string, document?: object) {
  const response = await fetch(`${server.endpoint}/_dev-s3/${path}`, {
    method,
    ...(document === undefined ? {} : { body: JSON.stringify(document) }),
  });
  const body = await response.text();
  return { status: response.status, document: body === "" ? undefined : JSON.parse(body) };
}

describe("dev-s3 with faults", () => {
  let server: DevS3;
  let api: S3Api;

  beforeEach(async () => {
    server = await startDevS3({ buckets: ["bucket"] });
    const { endpoint, accessKeyId, secretAccessKey, region } = server;
    const client = newClient(server);
    api = { endpoint, accessKeyId, secretAccessKey, region, client, bucket: "bucket" };
  });
  afterEach(async () => {
    api.client.destroy();
    await server.close();
  });

  it("answers an injected status and executes nothing", async () => {
    using _fault = server.faults.add({
      operation: "PutObject",
      times: 1,
      action: { kind: "status", status: 503 },
    });
    await fails(put(api, "a", "x"), 503, "SlowDown");
    await fails(text(api, "a"), 404, "NoSuchKey");
    await put(api, "a", "y");
    assert.equal(await text(api, "a"), "y");
  });

  it("resets a connection before executing, or after, as if the answer was lost", async () => {
    {
      using _fault = server.faults.add({ operation: "PutObject", action: { kind: "reset" } });
      await assert.rejects(put(api, "before", "x"));
    }
    await fails(text(api, "before"), 404, "NoSuchKey");
    {
      using _fault = server.faults.add({
        operation: "PutObject",
        action: { kind: "lostResponse" },
      });
      await assert.rejects(put(api, "after", "x"));
    }
    assert.equal(await text(api, "after"), "x");
  });

  it("cuts an answer off in the middle", async () => {
    await put(api, "a", "x".repeat(100_000));
    using _fault = server.faults.add({
      operation: "GetObject",
      action: { kind: "cut", afterBytes: 1_000 },
    });
    await assert.rejects(text(api, "a"));
  });

  it("answers 200 with an error document, having executed", async () => {
    await put(api, "from", "x");
    using _fault = server.faults.add({
      operation: "CopyObject",
      action: { kind: "errorIn200", code: "InternalError" },
    });
    const request = { Bucket: "bucket", Key: "to", CopySource: "bucket/from" };
    await assert.rejects(api.client.send(new CopyObjectCommand(request)), {
      name: "InternalError",
    });
    assert.equal(server.counters.statuses[200], 2);
    assert.equal(await text(api, "to"), "x");
  });

  it("holds a request before or after executing until it is let go", async () => {
    for (const when of ["before", "after"] as const) {
      const held = Promise.withResolvers<void>();
      const fault = server.faults.add({
        operation: "PutObject",
        action: { kind: "hold", until: held.promise, when },
      });
      let answered = false;
      const putting = put(api, when, "x").then(() => {
        answered = true;
      });
      while (fault.hits === 0) await new Promise((resolve) => setImmediate(resolve));
      const found = () =>
        text(api, when).then(
          () => true,
          () => false,
        );
      // Executed or not, the answer is not there; the second GET comes well after the first.
      if (when === "before") assert.equal(await found(), false);
      else while (!(await found())) assert.equal(answered, false);
      assert.equal(answered, false);
      held.resolve();
      await putting;
      fault.remove();
    }
  });

  it("ends while a request is held for ever or left without an answer", async () => {
    const never = new Promise<void>(() => {});
    server.faults.add({ key: /^held/, action: { kind: "hold", until: never } });
    server.faults.add({ key: /^late/, action: { kind: "hold", until: never, when: "after" } });
    server.faults.add({ key: /^silent/, action: { kind: "blackhole" } });
    const puts = ["held", "late", "silent"].map((key) => put(api, key, "x"));
    const settled = Promise.allSettled(puts);
    while (server.counters.of("PutObject") < 3) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await server.close();
    assert.deepEqual(new Set((await settled).map(({ status }) => status)), new Set(["rejected"]));
  });

  it("counts requests, answers and bytes, faults included", async () => {
    await put(api, "a", "12345");
    server.counters.reset();
    await text(api, "a");
    await fails(text(api, "missing"), 404);
    {
      using _fault = server.faults.add({ action: { kind: "status", status: 500 } });
      await fails(put(api, "a", "x"), 500);
    }
    const { requests, statuses, bytesOut, total } = server.counters;
    assert.deepEqual(requests, { GetObject: 2, PutObject: 1 });
    assert.deepEqual(statuses, { 200: 1, 404: 1, 500: 1 });
    assert.equal(total, 3);
    assert.ok(bytesOut >= 5);
  });

  it("restores an archived object after its delay, and says so meanwhile", async () => {
    // Not the epoch: signatures carry the real time.
    const clock = new FakeClock(Date.now());
    await using slow = await startDevS3({ clock, restoreDelayMs: 60_000, buckets: ["bucket"] });
    const cold = { ...api, endpoint: slow.endpoint, client: newClient(slow) };
    const target = { Bucket: "bucket", Key: "a" };
    await put(cold, "a", "x", { StorageClass: "GLACIER" });
    const restore = () =>
      cold.client.send(new RestoreObjectCommand({ ...target, RestoreRequest: { Days: 1 } }));
    const state = async () => (await cold.client.send(new HeadObjectCommand(target))).Restore;
    await restore();
    assert.equal(await state(), 'ongoing-request="true"');
    await fails(restore(), 409, "RestoreAlreadyInProgress");
    await fails(text(cold, "a"), 403, "InvalidObjectState");
    await clock.advance(60_000);
    assert.match((await state()) ?? "", /^ongoing-request="false"/);
    assert.equal(await text(cold, "a"), "x");
    cold.client.destroy();
  });

  describe("driven from outside", () => {
    it("takes rules, counts their hits and removes them", async () => {
      const added = await remote(server, "POST", "faults", {
        operation: "PutObject",
        key: "^x",
        times: 1,
        action: { kind: "status", status: 500, code: "InternalError" },
      });
      await fails(put(api, "x", "1"), 500, "InternalError");
      await put(api, "x", "1");
      const { document: listed } = await remote(server, "GET", "faults");
      assert.deepEqual(
        listed.map(({ id, hits }: { id: string; hits: number }) => [id, hits]),
        [[added.document.id, 1]],
      );
      assert.equal((await remote(server, "DELETE", `faults/${added.document.id}`)).status, 204);
      assert.equal((await remote(server, "DELETE", `faults/${added.document.id}`)).status, 404);
      assert.deepEqual((await remote(server, "GET", "faults")).document, []);
    });

    it("lets held requests go when their rule is removed", async () => {
      await remote(server, "POST", "faults", { key: "^held$", action: { kind: "hold" } });
      const putting = put(api, "held", "x");
      for (let hits = 0; hits === 0; ) {
        hits = (await remote(server, "GET", "faults")).document[0].hits;
      }
      await remote(server, "DELETE", "faults");
      await putting;
    });

    it("refuses rules that it does not understand, and says what is wrong", async () => {
      for (const [rule, message] of [
        [{ action: { kind: "explode" } }, /action\.kind/],
        [{ action: { kind: "status" } }, /status is missing/],
        [{ operation: "PutObjekt", action: { kind: "reset" } }, /'PutObjekt' is no operation/],
        [{ key: "(", action: { kind: "reset" } }, /no regular expression/],
        [{ Key: "a", action: { kind: "reset" } }, /Unknown field 'Key'/],
        [{ nth: 0, action: { kind: "reset" } }, /nth is no number from 1/],
      ] as const) {
        const { status, document } = await remote(server, "POST", "faults", rule);
        assert.equal(status, 400);
        assert.match(document.error, message);
      }
      assert.deepEqual((await remote(server, "GET", "faults")).document, []);
    });

    it("shows and resets counters, without counting its own requests", async () => {
      await put(api, "a", "x");
      const { document } = await remote(server, "GET", "counters");
      assert.equal(document.total, 1);
      assert.deepEqual(document.requests, { PutObject: 1 });
      assert.equal((await remote(server, "DELETE", "counters")).status, 204);
      assert.equal((await remote(server, "GET", "counters")).document.total, 0);
    });

    it("shapes a server that runs", async () => {
      const shaping = { latencyMs: 1, bandwidthBytesPerSecond: 1_000_000 };
      assert.equal((await remote(server, "PUT", "shaping", shaping)).status, 204);
      assert.deepEqual((await remote(server, "GET", "shaping")).document, shaping);
      await put(api, "a", "x");
      await remote(server, "PUT", "shaping", { bandwidthBytesPerSecond: null });
      const { document } = await remote(server, "GET", "shaping");
      assert.deepEqual(document, { latencyMs: 1, bandwidthBytesPerSecond: null });
    });

    it("knows no other paths and methods", async () => {
      assert.equal((await remote(server, "GET", "secrets")).status, 404);
      assert.equal((await remote(server, "PUT", "counters", {})).status, 404);
    });

    it("is refused to other machines", async () => {
      // A socket without a peer is not known to be of this machine.
      const message = Object.assign(new IncomingMessage(new Socket()), {
        url: "/_dev-s3/counters",
        method: "DELETE",
      });
      const response = new ServerResponse(message);
      await answerRemote(message, response, { counters: server.counters } as never);
      assert.equal(response.statusCode, 403);
    });
  });
});
