import assert from "node:assert/strict";
import { recordMark } from "../../../src/rpc/record.ts";
import { RpcRig, settle, success } from "./rig.ts";

const none = Buffer.alloc(0);
const ok = () => success(Buffer.alloc(4));

/** A record with the given words. */
function record(...words: readonly number[]): Buffer {
  const buffer = Buffer.alloc(4 + words.length * 4);
  buffer.writeUInt32BE(recordMark(words.length * 4), 0);
  for (const [at, word] of words.entries()) buffer.writeUInt32BE(word, 4 + at * 4);
  return buffer;
}

describe("RPC connections", () => {
  it("close on garbage, and others go on", async () => {
    const rig = new RpcRig(ok);
    const other = rig.connect();
    for (const garbage of [
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      record(1),
      record(1, 1, 0),
      record(1, 2, 2, 100003, 4, 0),
      record(1, 0, 2, 100003, 4, 0, 1, 4000),
    ]) {
      const client = rig.connect();
      client.sendRaw(garbage);
      await client.closed;
    }
    assert.equal((await other.rpc(1, none)).acceptStatus, 0);
    assert.equal(rig.connections.size, 1);
  });

  it("close on a record above the limit without waiting for it", async () => {
    const rig = new RpcRig(ok, { maxRecordBytes: 1000 });
    const client = rig.connect();
    const header = Buffer.alloc(4);
    header.writeUInt32BE(recordMark(1001));
    client.sendRaw(header);
    await client.closed;
  });

  it("are not read further while too many of their calls are in progress", async () => {
    const waiting: (() => void)[] = [];
    const rig = new RpcRig(() => new Promise((resolve) => waiting.push(() => resolve(ok()))), {
      maxCallsInProgress: 3,
    });
    const client = rig.connect();
    const answers = Array.from({ length: 10 }, () => client.rpc(1, none));
    await settle();
    assert.equal(rig.calls.length, 3);
    assert.equal(rig.serverSockets[0]?.isPaused(), true);
    waiting.shift()?.();
    await settle();
    assert.equal(rig.calls.length, 4);
    while (waiting.length > 0) {
      waiting.shift()?.();
      await settle();
    }
    await Promise.all(answers);
    assert.equal(rig.serverSockets[0]?.isPaused(), false);
  });

  it("are not read further while their calls in progress take too many bytes", async () => {
    const waiting: (() => void)[] = [];
    const rig = new RpcRig(() => new Promise((resolve) => waiting.push(() => resolve(ok()))), {
      maxBytesInProgress: 150_000,
    });
    const client = rig.connect();
    const answers = Array.from({ length: 4 }, () => client.rpc(1, Buffer.alloc(100_000)));
    await settle();
    assert.equal(rig.calls.length, 2);
    while (waiting.length > 0) {
      waiting.shift()?.();
      await settle();
    }
    await Promise.all(answers);
  });

  it("are not read further while the peer does not take its replies, and other peers are", async () => {
    const reply = Buffer.alloc(100_000);
    const rig = new RpcRig(() => success(reply), {
      maxUnsentBytes: 500_000,
      maxCallsInProgress: 4,
    });
    const deaf = rig.connectSocket();
    const [server] = rig.serverSockets;
    const call = record(1, 0, 2, 100003, 4, 1, 0, 0, 0, 0);
    for (let at = 0; at < 100; at += 1) deaf.write(call);
    await settle();
    assert.ok(rig.calls.length < 14, `${rig.calls.length} calls`);
    assert.ok((server?.writableLength ?? 0) < 1_000_000, `${server?.writableLength} bytes`);
    assert.equal((await rig.connect().rpc(1, none)).acceptStatus, 0);
    let received = 0;
    deaf.on("data", (bytes: Buffer) => (received += bytes.length));
    await settle(2000);
    assert.equal(received, 100 * (100_000 + 28));
  });

  it("do not pile up small replies that the peer does not take", async () => {
    const rig = new RpcRig(ok, { maxCallsInProgress: 16 });
    const deaf = rig.connectSocket();
    const call = record(1, 0, 2, 100003, 4, 1, 0, 0, 0, 0);
    deaf.write(Buffer.concat(Array.from({ length: 5_000 }, () => call)));
    deaf.write(record(2, 0, 2, 100003, 3, 1, 0, 0, 0, 0));
    await settle(500);
    const stuck = rig.calls.length;
    assert.ok(stuck < 3_500, `${stuck} calls`);
    assert.ok((rig.serverSockets[0]?.writableLength ?? 0) < 1000);
    let received = 0;
    deaf.on("data", (bytes: Buffer) => (received += bytes.length));
    await settle(2_500);
    assert.equal(rig.calls.length, 5_000);
    assert.equal(received, 5_000 * 32 + 36);
  });

  it("with incomplete records give way, oldest first, when those of all take too much memory", async () => {
    const rig = new RpcRig(ok, { maxPartialBytes: 10_000_000 });
    const part = Buffer.concat([Buffer.from("80100000", "hex"), Buffer.alloc(1_000_000)]);
    const sockets = [];
    for (let at = 0; at < 15; at += 1) {
      const socket = rig.connectSocket();
      socket.resume();
      sockets.push(socket);
      socket.write(part);
      await settle();
      await rig.clock.advance(10);
    }
    const open = rig.serverSockets.map(({ destroyed }) => !destroyed);
    assert.equal(rig.connections.size, 10);
    assert.deepEqual(open.indexOf(true), 5);
    const answer = await rig.connect().rpc(1, Buffer.alloc(1_000_000));
    assert.equal(answer.acceptStatus, 0);
  });

  it("that take nothing of their replies for a time are closed", async () => {
    const rig = new RpcRig(() => success(Buffer.alloc(1_000_000)));
    const deaf = rig.connectSocket();
    deaf.write(record(1, 0, 2, 100003, 4, 1, 0, 0, 0, 0));
    await settle();
    await rig.clock.advance(59_000);
    assert.equal(rig.connections.size, 1);
    await rig.clock.advance(7_000);
    assert.equal(rig.connections.size, 0);
    assert.match(rig.logged.join(), /took nothing/);
  });

  it("with a record that does not come to its end are closed, also when bytes trickle in", async () => {
    const rig = new RpcRig(ok);
    const client = rig.connect();
    await client.rpc(1, none);
    client.sendRaw(record(1, 0, 2, 100003).subarray(0, 8));
    for (let second = 0; second < 40; second += 5) {
      client.sendRaw(Buffer.from([0]));
      await rig.clock.advance(5_000);
    }
    await client.closed;
    assert.equal(rig.connections.size, 0);
  });

  it("without a first call are closed after a time, and later only after a longer one", async () => {
    const rig = new RpcRig(ok);
    const silent = rig.connect();
    const used = rig.connect();
    await used.rpc(1, none);
    await rig.clock.advance(40_000);
    await silent.closed;
    assert.equal(rig.connections.size, 1);
    await rig.clock.advance(300_000);
    assert.equal(rig.connections.size, 1);
    await rig.clock.advance(40_000);
    await used.closed;
  });

  it("with a call in progress are not idle", async () => {
    const waiting: (() => void)[] = [];
    const rig = new RpcRig(() => new Promise((resolve) => waiting.push(() => resolve(ok()))));
    const answer = rig.connect().rpc(1, none);
    await settle();
    await rig.clock.advance(1_000_000);
    waiting[0]?.();
    assert.equal((await answer).acceptStatus, 0);
  });

  it("of 10,000 that make no call leave room for one that does", async () => {
    const rig = new RpcRig(ok, { maxConnections: 100 });
    const used = rig.connect();
    await used.rpc(1, none);
    for (let at = 0; at < 10_000; at += 1) {
      rig.connectSocket();
      if (at % 1000 === 0) await settle(1);
      assert.ok(rig.connections.size <= 100);
    }
    assert.equal((await used.rpc(1, none)).acceptStatus, 0);
    assert.equal((await rig.connect().rpc(1, none)).acceptStatus, 0);
  });

  it("are refused when all others have made calls", async () => {
    const rig = new RpcRig(ok, { maxConnections: 2 });
    for (let at = 0; at < 2; at += 1) await rig.connect().rpc(1, none);
    const third = rig.connect();
    await third.closed;
    assert.equal(rig.connections.size, 2);
  });

  it("tell who asked when they are gone", async () => {
    const rig = new RpcRig(ok);
    const client = rig.connect();
    await client.rpc(1, none);
    const peer = rig.calls[0]?.connection;
    let told = 0;
    peer?.onClose(() => (told += 1));
    client.destroy();
    await settle();
    peer?.onClose(() => (told += 1));
    assert.equal(peer?.closed, true);
    assert.equal(told, 2);
  });

  it("finish their calls, send the replies and close when the server stops", async () => {
    const waiting: (() => void)[] = [];
    const rig = new RpcRig(() => new Promise((resolve) => waiting.push(() => resolve(ok()))));
    const client = rig.connect();
    const idle = rig.connect();
    const answer = client.rpc(1, none);
    await settle();
    const stopped = rig.connections.stop();
    await idle.closed;
    const late = rig.connect();
    await late.closed;
    waiting[0]?.();
    assert.equal((await answer).acceptStatus, 0);
    await stopped;
    assert.equal(rig.connections.size, 0);
    assert.equal(rig.clock.pendingTimers, 0);
  });

  it("that do not take the last replies do not keep the server from stopping", async () => {
    const rig = new RpcRig(() => success(Buffer.alloc(1_000_000)));
    rig.connectSocket().write(record(1, 0, 2, 100003, 4, 1, 0, 0, 0, 0));
    await settle();
    const stopped = rig.connections.stop();
    await rig.clock.advance(10_000);
    await stopped;
  });
});
