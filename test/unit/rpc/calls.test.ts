import assert from "node:assert/strict";
import { XdrError } from "../../../src/xdr/error.ts";
import { RpcRig, settle, success } from "./rig.ts";

const results = Buffer.from("0000002a", "hex");
const rejected = { rpcMismatch: [1, 0, 2], badCredential: [1, 1, 1], badVerifier: [1, 1, 3] };

describe("RPC calls", () => {
  it("reach the program with their header, credential and size", async () => {
    const rig = new RpcRig(() => success(results));
    const client = rig.connect({ credential: { uid: 1000, gid: 100, gids: [4, 24] } });
    const answer = await client.rpc(1, Buffer.from("00000007", "hex"));
    assert.deepEqual(answer.words, [0, 0, 0, 0]);
    assert.equal(answer.reader.u32(), 42);
    const [call] = rig.calls;
    assert.equal(call?.procedure, 1);
    assert.deepEqual(call?.credential, {
      flavor: "AUTH_SYS",
      stamp: 0,
      machinename: "test",
      uid: 1000,
      gid: 100,
      gids: [4, 24],
    });
    assert.equal(call?.args.u32(), 7);
    // xid, type, four words of header, two of flavor and length, 32 of credential, verifier, arguments.
    assert.equal(call?.recordBytes, 24 + 8 + 32 + 8 + 4);
  });

  it("go on when what is to happen after a reply fails, sent or not", async () => {
    const gate = Promise.withResolvers<void>();
    const rig = new RpcRig(async (call) => {
      if (call.procedure === 2) await gate.promise;
      const onSent = () => {
        throw new Error("Cannot release");
      };
      return { kind: "success", results: [results], onSent };
    });
    const client = rig.connect();
    await client.rpc(1, Buffer.alloc(0));
    assert.equal((await client.rpc(1, Buffer.alloc(0))).reader.u32(), 42);
    const late = client.rpc(2, Buffer.alloc(0));
    await settle();
    client.destroy();
    await assert.rejects(late);
    gate.resolve();
    await settle();
    assert.equal(rig.connections.size, 0);
    assert.equal(rig.logged.filter((line) => line.includes("Cannot release")).length, 3);
  });

  it("are accepted without a credential", async () => {
    const rig = new RpcRig(() => success(results));
    await rig.connect({ credential: undefined }).rpc(0, Buffer.alloc(0));
    assert.deepEqual(rig.calls[0]?.credential, { flavor: "AUTH_NONE" });
  });

  it("of another program, version or procedure are answered so", async () => {
    const rig = new RpcRig(() => ({ kind: "procedureUnavailable" }));
    const client = rig.connect();
    const none = Buffer.alloc(0);
    assert.equal((await client.rpc(0, none, { program: 100005 })).acceptStatus, 1);
    const mismatch = await client.rpc(0, none, { version: 3 });
    assert.equal(mismatch.acceptStatus, 2);
    assert.deepEqual([mismatch.reader.u32(), mismatch.reader.u32()], [4, 4]);
    assert.equal((await client.rpc(9, none)).acceptStatus, 3);
    assert.equal(rig.calls.length, 1);
  });

  it("of another RPC version are denied with the version that is spoken", async () => {
    const rig = new RpcRig(() => success(results));
    const answer = await rig.connect().rpc(0, Buffer.alloc(0), { rpcVersion: 3 });
    assert.deepEqual([...answer.words, answer.reader.u32()], [...rejected.rpcMismatch, 2]);
  });

  it("with AUTH_TLS, RPCSEC_GSS or an unknown flavor get AUTH_ERROR", async () => {
    const rig = new RpcRig(() => success(results));
    const client = rig.connect();
    for (const flavor of [7, 6, 4711]) {
      const answer = await client.rpc(0, Buffer.alloc(0), { flavor });
      assert.deepEqual(answer.words, rejected.badCredential);
    }
    assert.equal(rig.calls.length, 0);
  });

  it("with more than 16 groups or a damaged credential get AUTH_ERROR", async () => {
    const rig = new RpcRig(() => success(results));
    const gids = Array.from({ length: 17 }, (_, at) => at);
    const many = await rig
      .connect({ credential: { uid: 1, gid: 1, gids } })
      .rpc(0, Buffer.alloc(0));
    assert.deepEqual(many.words, rejected.badCredential);
    // An AUTH_SYS credential without a body.
    const empty = await rig.connect().rpc(0, Buffer.alloc(0), { flavor: 1 });
    assert.deepEqual(empty.words, rejected.badCredential);
  });

  it("that the program cannot decode get GARBAGE_ARGS, and its failures SYSTEM_ERR and a log line", async () => {
    const rig = new RpcRig((call) => {
      if (call.procedure === 1) throw new XdrError("malformed", "Bad");
      throw new Error("Broken inside");
    });
    const client = rig.connect();
    assert.equal((await client.rpc(1, Buffer.alloc(0))).acceptStatus, 4);
    assert.equal(rig.logged.length, 0);
    assert.equal((await client.rpc(2, Buffer.alloc(0))).acceptStatus, 5);
    assert.match(rig.logged.join(), /Broken inside/);
  });

  it("are answered in the order in which they end", async () => {
    const waiting: (() => void)[] = [];
    const rig = new RpcRig(async ({ procedure }) => {
      if (procedure === 1) await new Promise<void>((resolve) => waiting.push(resolve));
      return success(results);
    });
    const client = rig.connect();
    const order: number[] = [];
    const calls = [1, 2].map(async (procedure) => {
      await client.rpc(procedure, Buffer.alloc(0));
      order.push(procedure);
      waiting.shift()?.();
    });
    await Promise.all(calls);
    assert.deepEqual(order, [2, 1]);
  });

  it("of kind none get no reply", async () => {
    const rig = new RpcRig(({ procedure }) =>
      procedure === 1 ? { kind: "none" } : success(results),
    );
    const client = rig.connect();
    const never = client.rpc(1, Buffer.alloc(0));
    await client.rpc(2, Buffer.alloc(0));
    client.destroy();
    await assert.rejects(never, /closed/);
  });

  it("have their results released once, when sent or when the connection is lost", async () => {
    let released = 0;
    const answer: (() => void)[] = [];
    const rig = new RpcRig(async ({ procedure }) => {
      if (procedure === 2) await new Promise<void>((resolve) => answer.push(resolve));
      return { kind: "success", results: [Buffer.alloc(100_000)], onSent: () => (released += 1) };
    });
    const client = rig.connect();
    await client.rpc(1, Buffer.alloc(0));
    await settle();
    assert.equal(released, 1);
    const lost = assert.rejects(client.rpc(2, Buffer.alloc(0)), /closed/);
    await settle();
    client.destroy();
    await lost;
    await settle();
    answer[0]?.();
    await settle();
    assert.equal(released, 2);
  });

  it("may carry and get a megabyte, in pieces", async () => {
    const megabyte = Buffer.alloc(1024 * 1024, 0x5a);
    const rig = new RpcRig(({ args }) => {
      const chunks = args.rest();
      return success(...chunks);
    });
    const answer = await rig.connect().rpc(1, megabyte);
    assert.ok(Buffer.concat(answer.reader.rest()).equals(megabyte));
  });
});
