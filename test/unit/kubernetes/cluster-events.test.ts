import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jsonLog, silentLog } from "../../../src/base/log.ts";
import { ClusterApi } from "../../../src/kubernetes/api.ts";
import { ClusterEvents } from "../../../src/kubernetes/cluster-events.ts";
import type { ClusterEvent } from "../../../src/kubernetes/events.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly token: string;
  readonly type: string;
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

const event: ClusterEvent = {
  object: { kind: "Pod", namespace: "shop", name: "web-0", uid: "u-1" },
  type: "Warning",
  reason: "SharedAcrossNodes",
  message: "Volume v is on several nodes",
};

describe("Events in the cluster", () => {
  let folder: string;
  let server: Server;
  let seen: Seen[];
  let answers: Map<string, number>;
  let clock: FakeClock;
  let events: ClusterEvents;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "s3files-account-"));
    writeFileSync(join(folder, "token"), "first\n");
    [seen, answers] = [[], new Map()];
    server = createServer((request, response) => {
      let text = "";
      request.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      request.on("end", () => {
        const { method = "", url: path = "", headers } = request;
        const [token = "", type = ""] = [headers.authorization, headers["content-type"]];
        seen.push({ method, path, token, type, body: text === "" ? undefined : JSON.parse(text) });
        const status = answers.get(method) ?? 200;
        const answer = status < 300 ? { metadata: { uid: "u-2" } } : { message: "not allowed" };
        response.writeHead(status).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    clock = new FakeClock();
    events = new ClusterEvents(
      { component: "s3files-node", host: "node-1" },
      { api: new ClusterApi({ url, serviceAccount: folder }), clock, log: silentLog },
    );
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    rmSync(folder, { recursive: true });
  });

  it("are about their object, by its uid, in its namespace", async () => {
    events.emit(event);
    await events.settled();
    const [post] = seen;
    assert.equal(post?.method, "POST");
    assert.equal(post.path, "/api/v1/namespaces/shop/events");
    assert.equal(post.token, "Bearer first");
    const { metadata, involvedObject, reason, type, count, source } = post.body as {
      metadata: { name: string; namespace: string };
    } & Record<string, unknown>;
    assert.match(metadata.name, /^web-0\.[0-9a-f]{16}$/);
    assert.deepEqual([reason, type, count], ["SharedAcrossNodes", "Warning", 1]);
    assert.deepEqual(source, { component: "s3files-node", host: "node-1" });
    const about = { apiVersion: "v1", kind: "Pod", name: "web-0", namespace: "shop", uid: "u-1" };
    assert.deepEqual(involvedObject, about);
  });

  it("ask for the uid of what is known by name only, and do without it", async () => {
    const volume = { ...event, object: { kind: "PersistentVolume", name: "pvc-1" } as const };
    events.emit(volume);
    await events.settled();
    assert.deepEqual(
      seen.map(({ method, path }) => `${method} ${path}`),
      ["GET /api/v1/persistentvolumes/pvc-1", "POST /api/v1/namespaces/default/events"],
    );
    assert.match(JSON.stringify(seen[1]?.body?.["involvedObject"]), /"uid":"u-2"/);
    answers.set("GET", 403);
    events.emit({ ...volume, message: "another" });
    await events.settled();
    assert.equal(seen.at(-1)?.method, "POST");
  });

  it("are said once a minute, and then counted", async () => {
    events.emit(event);
    events.emit(event);
    await events.settled();
    assert.equal(seen.length, 1);
    await clock.advance(61_000);
    events.emit(event);
    await events.settled();
    const patch = seen.at(-1);
    assert.equal(patch?.type, "application/merge-patch+json");
    assert.equal(patch.body?.["count"], 2);
    answers.set("PATCH", 404);
    await clock.advance(61_000);
    events.emit(event);
    await events.settled();
    assert.deepEqual(
      seen.map(({ method }) => method),
      ["POST", "PATCH", "PATCH", "POST"],
    );
  });

  it("use the token that the file holds now", async () => {
    events.emit(event);
    await events.settled();
    writeFileSync(join(folder, "token"), "second");
    events.emit({ ...event, message: "later" });
    await events.settled();
    assert.deepEqual(
      seen.map(({ token }) => token),
      ["Bearer first", "Bearer second"],
    );
  });

  it("that are refused or cannot be sent stand in the log, without the token", async () => {
    const lines: string[] = [];
    const log = jsonLog({ level: "info", fields: {} }, (line) => lines.push(line));
    const closed = new ClusterApi({ url: "http://127.0.0.1:1", serviceAccount: folder });
    const unheard = new ClusterEvents(
      { component: "s3files-node", host: "n" },
      { api: closed, clock, log },
    );
    unheard.emit(event);
    await unheard.settled();
    assert.match(lines.join(""), /An event cannot be sent.*SharedAcrossNodes.*ECONNREFUSED/s);
    assert.ok(!lines.join("").includes("first"));
  });
});
