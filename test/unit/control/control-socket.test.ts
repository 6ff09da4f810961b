import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../../src/base/log.ts";
import { ControlClient } from "../../../src/control/client.ts";
import { ControlError } from "../../../src/control/error.ts";
import { ControlListener } from "../../../src/control/listener.ts";
import { maxLineBytes } from "../../../src/control/messages.ts";
import { SupervisorClient } from "../../../src/control/supervisor-client.ts";

interface Echo {
  echo: { params: { readonly text: string }; result: string };
  wait: { params: { readonly name: string }; result: string };
  refuse: { params: object; result: never };
  break: { params: object; result: never };
}

const codeOf = (code: ControlError["code"], words = /./) => ({
  name: "ControlError",
  code,
  message: words,
});

describe("a control socket", () => {
  let folder: string;
  let path: string;
  let listener: ControlListener<Echo>;
  let signals: Map<string, AbortSignal>;
  let finish: Map<string, (text: string) => void>;
  let asked: () => void;

  const open = (at: string) =>
    ControlListener.open<Echo>(
      { path: at },
      {
        log: silentLog,
        handlers: {
          echo: ({ text }) => text,
          wait: ({ name }, signal) => {
            signals.set(name, signal);
            asked();
            return new Promise((resolve) => finish.set(name, resolve));
          },
          refuse: () => {
            throw new ControlError("noSuchBucket", "Volume v: bucket 'b' does not exist");
          },
          break: () => {
            throw new TypeError("a bug");
          },
        },
      },
    );

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "s3files-control-"));
    path = join(folder, "control.sock");
    signals = new Map();
    finish = new Map();
    asked = () => {};
    listener = await open(path);
  });
  afterEach(async () => {
    await listener.close();
    rmSync(folder, { recursive: true });
  });

  it("is a file that only its owner may use", () => {
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("answers requests of one connection in the order in which they are done", async () => {
    using client = await ControlClient.connect<Echo>(path);
    const order: string[] = [];
    const first = client.call("wait", { name: "first" }).then((text) => order.push(text));
    const second = client.call("echo", { text: "zweite – ü\n" }).then((text) => order.push(text));
    await second;
    finish.get("first")?.("first");
    await first;
    assert.deepEqual(order, ["zweite – ü\n", "first"]);
  });

  it("carries code and message of a refusal unchanged", async () => {
    using client = await ControlClient.connect<Echo>(path);
    await assert.rejects(
      client.call("refuse", {}),
      codeOf("noSuchBucket", /^Volume v: bucket 'b' does not exist$/),
    );
  });

  it("answers a bug of a handler as supervisor, and goes on", async () => {
    using client = await ControlClient.connect<Echo>(path);
    await assert.rejects(client.call("break", {}), codeOf("supervisor", /^a bug$/));
    assert.equal(await client.call("echo", { text: "on" }), "on");
  });

  it("refuses a request that it does not know, also one named like a member of every object", async () => {
    using client = await ControlClient.connect<{ toString: { params: object; result: never } }>(
      path,
    );
    await assert.rejects(client.call("toString", {}), codeOf("invalid", /toString/));
  });

  it("aborts a handler's signal when the caller's aborts, and rejects with its reason", async () => {
    using client = await ControlClient.connect<Echo>(path);
    const controller = new AbortController();
    const begun = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const call = client.call("wait", { name: "x" }, controller.signal);
    await begun;
    const cancelled = new Promise((resolve) =>
      signals.get("x")?.addEventListener("abort", resolve),
    );
    controller.abort(new Error("enough"));
    await assert.rejects(call, /enough/);
    await cancelled;
    assert.equal(await client.call("echo", { text: "still there" }), "still there");
  });

  it("aborts the handlers' signals when the connection is closed", async () => {
    const client = await ControlClient.connect<Echo>(path);
    const begun = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const call = client.call("wait", { name: "x" });
    await begun;
    const cancelled = new Promise((resolve) =>
      signals.get("x")?.addEventListener("abort", resolve),
    );
    client.close();
    await assert.rejects(call, codeOf("supervisor", /closed/));
    await cancelled;
  });

  it("rejects what is under way when the listener ends, and what is asked after it", async () => {
    const client = await ControlClient.connect<Echo>(path);
    const call = client.call("wait", { name: "x" });
    await client.call("echo", { text: "" });
    const rejected = assert.rejects(call, codeOf("supervisor"));
    await listener.close();
    await rejected;
    await client.closed;
    await assert.rejects(client.call("echo", { text: "late" }), codeOf("supervisor"));
    await assert.rejects(ControlClient.connect(path), codeOf("supervisor", /ECONNREFUSED/));
  });

  it("takes the place of a socket that nobody answers, and of no other", async () => {
    await assert.rejects(open(path), codeOf("supervisor", /Another process listens/));
    const dead = join(folder, "dead.sock");
    writeFileSync(dead, "");
    const second = await open(dead);
    using client = await ControlClient.connect<Echo>(dead);
    assert.equal(await client.call("echo", { text: "new" }), "new");
    await second.close();
  });

  const closedBy = async (text: string): Promise<string> => {
    const socket = connect(path);
    let answer = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      answer += chunk;
    });
    socket.on("error", () => {});
    socket.write(text);
    await new Promise((resolve) => socket.once("close", resolve));
    return answer;
  };

  for (const [what, text] of [
    ["does not greet", '{"id":1,"method":"echo","params":{"text":"x"}}\n'],
    ["speaks only a newer protocol", '{"hello":"s3files","newest":9,"oldest":8}\n'],
    ["greets without a version", '{"hello":"s3files"}\n'],
    ["sends no JSON", "GET / HTTP/1.1\r\n\r\n"],
    ["sends JSON that is no object", "[]\n"],
    ["never ends its line", "x".repeat(maxLineBytes + 1)],
  ] as const) {
    it(`closes the connection of a peer that ${what}`, async () => {
      assert.doesNotMatch(await closedBy(text), /result|error/);
    });
  }

  it("tells the client why a peer of another version is of no use", async () => {
    const old = join(folder, "old.sock");
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write('{"hello":"s3files","newest":0,"oldest":0}\n');
    });
    await new Promise<void>((resolve) => server.listen(old, resolve));
    const client = await ControlClient.connect<Echo>(old);
    await assert.rejects(
      client.call("echo", { text: "" }),
      codeOf("invalid", /control protocol 0 to 0, this release 1 to 1/),
    );
    server.close();
  });

  it("takes an unknown error code of a newer peer for a failure of the supervisor", async () => {
    const newer = join(folder, "newer.sock");
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write('{"hello":"s3files","newest":2,"oldest":1}\n');
      socket.write('{"id":1,"error":{"code":"tooCold","message":"brr"}}\n');
    });
    await new Promise<void>((resolve) => server.listen(newer, resolve));
    using client = await ControlClient.connect<Echo>(newer);
    await assert.rejects(client.call("echo", { text: "" }), codeOf("supervisor", /^brr$/));
    server.close();
  });

  it("tells whether a supervisor can be reached", async () => {
    const supervisor = new SupervisorClient(join(folder, "none.sock"));
    assert.equal(await supervisor.isReachable(), false);
    await assert.rejects(supervisor.usage("v"), codeOf("supervisor", /ENOENT/));
  });
});
