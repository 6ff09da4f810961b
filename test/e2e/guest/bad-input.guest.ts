import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { scratchDirectory } from "../../support/mounted.ts";

const nfsProgram = 100_003;
const compound = 1;

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) buffer.writeUInt32BE(value >>> 0, at * 4);
  return buffer;
}

/** A record of one fragment. */
function record(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([words(0x80000000 + body.length), body]);
}

/** A call with AUTH_NONE; the arguments follow. */
function call(xid: number, program: number, version: number, procedure: number): Buffer {
  return words(xid, 0, 2, program, version, procedure, 0, 0, 0, 0);
}

async function attacker(): Promise<Socket> {
  const socket = connect(2049, "127.0.0.1");
  // A reset is one of the two right answers.
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** What the server does with bytes: its whole answer when it sends one, or "closed". */
async function answerTo(bytes: Buffer): Promise<Buffer | "closed"> {
  const socket = await attacker();
  const { promise, resolve } = Promise.withResolvers<Buffer | "closed">();
  let received = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const wanted = 4 + (received.length < 4 ? 0 : received.readUInt32BE(0) & 0x7fffffff);
    if (received.length >= wanted) resolve(received.subarray(4));
  });
  socket.once("close", () => resolve("closed"));
  socket.write(bytes);
  const answer = await promise;
  socket.destroy();
  return answer;
}

/** The words of a reply from the accepted or refused state on. */
function replyWords(answer: Buffer | "closed"): number[] {
  assert.ok(answer !== "closed", "The server closed the connection");
  return Array.from({ length: Math.floor(answer.length / 4) }, (_, i) =>
    answer.readUInt32BE(i * 4),
  );
}

describe("a served volume under attack", function () {
  this.timeout(240_000);
  let scratch: ReturnType<typeof scratchDirectory>;
  let rounds = 0;
  const serverPid = process.env["SERVER_PID"] ?? "";

  const residentKib = () =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${serverPid}/status`, "utf8"))?.[1]);

  /** The kernel's client creates, reads back, and removes a file. */
  const useMount = () => {
    const path = join(scratch.path, `file-${++rounds}`);
    writeFileSync(path, `round ${rounds}`, { flush: true });
    assert.equal(statSync(path).size, `round ${rounds}`.length);
    assert.equal(readFileSync(path, "utf8"), `round ${rounds}`);
    rmSync(path);
  };

  before(() => {
    scratch = scratchDirectory();
  });
  afterEach(useMount);
  after(() => scratch[Symbol.dispose]());

  it("closes a connection whose record is larger than any request", async () => {
    assert.equal(await answerTo(words(0xffffffff)), "closed");
    assert.equal(await answerTo(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), "closed");
    assert.equal(
      await answerTo(Buffer.concat([words(0x80000000 + 2 ** 24), Buffer.alloc(2 ** 20)])),
      "closed",
    );
  });

  it("closes a connection that sends fragments without end", async () => {
    assert.equal(await answerTo(Buffer.alloc(400_000)), "closed");
  });

  it("closes a connection that sends what is no call", async () => {
    assert.equal(await answerTo(record(words(7, 1, 2, 3, 4, 5, 6))), "closed");
    const noise = Buffer.alloc(4096, Buffer.from("8badf00d0badc0de", "hex"));
    assert.equal(await answerTo(record(noise)), "closed");
  });

  it("names what it does not know: RPC version, program, program version, procedure", async () => {
    const state = async (bytes: Buffer) => replyWords(await answerTo(record(bytes))).slice(2);
    // RFC 5531 §9: MSG_DENIED, RPC_MISMATCH, low and high.
    assert.deepEqual(
      await state(words(1, 0, 3, nfsProgram, 4, compound, 0, 0, 0, 0)),
      [1, 0, 2, 2],
    );
    assert.deepEqual((await state(call(2, 4711, 1, 0))).slice(0, 4), [0, 0, 0, 1]);
    assert.deepEqual(await state(call(3, nfsProgram, 3, 0)), [0, 0, 0, 2, 4, 4]);
    assert.deepEqual((await state(call(4, nfsProgram, 4, 99))).slice(0, 4), [0, 0, 0, 3]);
  });

  it("answers a compound cut off anywhere as garbage, or with a status", async () => {
    // Tag "", minor version 2, two operations: PUTROOTFH and LOOKUP "abcd".
    const whole = Buffer.concat([
      call(9, nfsProgram, 4, compound),
      words(0, 2, 2, 24, 15, 4),
      Buffer.from("abcd"),
    ]);
    for (let length = 0; length < whole.length; length += 4) {
      const answer = await answerTo(record(whole.subarray(0, length)));
      if (answer !== "closed") assert.ok(replyWords(answer).length >= 4);
    }
    // An array of 4 billion operations, a tag of 4 GiB, a name of 2 GiB.
    for (const rest of [
      words(0, 2, 0xffffffff),
      words(0xfffffff0, 2, 1),
      words(0, 2, 1, 15, 0x80000000),
    ]) {
      const answer = await answerTo(record(call(10, nfsProgram, 4, compound), rest));
      if (answer !== "closed") assert.ok(replyWords(answer).length >= 4);
    }
  });

  it("refuses unknown operations and minor versions with the status for it", async () => {
    const statusOf = async (...args: readonly number[]) =>
      replyWords(await answerTo(record(call(11, nfsProgram, 4, compound), words(...args))))[6];
    // RFC 8881 §15.1.3.5 NFS4ERR_OP_ILLEGAL, §15.1.1.6 NFS4ERR_MINOR_VERS_MISMATCH.
    assert.equal(await statusOf(0, 2, 1, 9999), 10044);
    assert.equal(await statusOf(0, 9, 1, 24), 10021);
  });

  it("goes on serving beside 10,000 half-open connections, within bounded memory", async () => {
    const before = residentKib();
    const sockets: Socket[] = [];
    let refused = 0;
    for (let i = 0; i < 10_000; i++) {
      const socket = connect(2049, "127.0.0.1");
      socket.on("error", () => refused++);
      socket.once("connect", () => socket.write(Buffer.from([0x80, 0, 1])));
      sockets.push(socket);
      if (i % 200 === 199) {
        await Promise.race([once(socket, "connect"), once(socket, "close")]);
        useMount();
      }
    }
    useMount();
    const grownKib = residentKib() - before;
    const open = sockets.filter((socket) => !socket.destroyed).length;
    for (const socket of sockets) socket.destroy();
    process.stdout.write(`grown by ${grownKib} KiB, ${refused} reset, ${open} still open\n`);
    assert.ok(grownKib < 100 * 1024, `grown by ${grownKib} KiB`);
  });

  it("has not died of any of it", () => {
    assert.match(readFileSync(`/proc/${serverPid}/cmdline`, "latin1"), /serve/);
  });
});
