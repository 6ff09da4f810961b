import assert from "node:assert/strict";
import fc from "fast-check";
import { add, byteRange, subtract } from "../../src/nfs4/state/byte-range.ts";
import type { stateid4 } from "../../src/nfs4/wire/types.ts";
import type { NfsClient } from "../support/nfs-client.ts";
import {
  closeFile,
  type OpenedFile,
  openFile,
  putFh,
  putFile,
  rootOf,
} from "../support/nfs-files.ts";
import { op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

type LockType = "READ_LT" | "WRITE_LT" | "READW_LT" | "WRITEW_LT";
const toEnd = 0xffff_ffff_ffff_ffffn;

describe("Byte-range locks", () => {
  let world: NfsWorld;
  let client: NfsClient;
  let root: Uint8Array;
  let file: OpenedFile;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
    root = await rootOf(client);
    await putFile(client, root, "f", "content");
    file = await openFile(client, root, "f");
  });
  afterEach(() => world.end());

  const lock = (
    range: readonly [offset: bigint, length: bigint],
    options: { owner?: string; type?: LockType; open?: stateid4; reclaim?: boolean } = {},
    who = client,
  ) =>
    who.call([
      putFh(file.fh),
      op("LOCK", {
        locktype: options.type ?? "WRITE_LT",
        reclaim: options.reclaim ?? false,
        offset: range[0],
        length: range[1],
        locker: {
          new_lock_owner: true,
          open_owner: {
            open_seqid: 0,
            open_stateid: options.open ?? file.stateid,
            lock_seqid: 0,
            lock_owner: { clientid: 0n, owner: Buffer.from(options.owner ?? "a") },
          },
        },
      }),
    ]);
  const unlock = (stateid: stateid4, offset: bigint, length: bigint) =>
    client.call([
      putFh(file.fh),
      op("LOCKU", { locktype: "WRITE_LT", seqid: 0, lock_stateid: stateid, offset, length }),
    ]);
  /** Splits the one lock there is into single bytes, every other one, in the store; the next process reads it. */
  const split = async (pieces: number) => {
    const [record] = [...world.store.scan("nfs4.lock")];
    assert.ok(record);
    const before = Buffer.from(record.value);
    const value = Buffer.alloc(before.length - 24 + 4 + pieces * 20);
    before.copy(value, 0, 0, before.length - 24);
    value.writeUInt32BE(pieces, before.length - 24);
    for (let piece = 0; piece < pieces; piece += 1) {
      const at = before.length - 20 + piece * 20;
      value.writeBigUInt64BE(BigInt(piece * 2), at);
      value.writeBigUInt64BE(BigInt(piece * 2), at + 8);
      value.writeUInt32BE(1, at + 16);
    }
    world.store.transaction(() => world.store.put("nfs4.lock", record.key, value));
    const { session } = client;
    world.kill();
    client = world.reconnect(session);
  };
  const testLock = (offset: bigint, length: bigint, owner = "b", type: LockType = "WRITE_LT") =>
    client.call([
      putFh(file.fh),
      op("LOCKT", {
        locktype: type,
        offset,
        length,
        owner: { clientid: 0n, owner: Buffer.from(owner) },
      }),
    ]);
  const stateOf = (answer: Awaited<ReturnType<typeof lock>>) =>
    answer.ok("LOCK").resok4.lock_stateid;

  it("of one owner and file may have 4,096 pieces; what joins them is let through", async () => {
    const { lock_stateid } = (await lock([0n, 1n])).ok("LOCK").resok4;
    await split(4096);
    assert.equal((await lock([9000n, 1n])).statusOf("LOCK"), "NFS4ERR_DELAY");
    assert.equal((await unlock({ ...lock_stateid, seqid: 0 }, 0n, 1n)).status, "NFS4_OK");
    assert.equal((await lock([9000n, 10n])).status, "NFS4_OK");
    const middle = await unlock({ ...lock_stateid, seqid: 0 }, 9004n, 1n);
    assert.equal(middle.statusOf("LOCKU"), "NFS4ERR_DELAY");
    assert.equal((await lock([0n, toEnd])).status, "NFS4_OK");
  });

  it("keep other owners out and tell them who has what", async () => {
    await lock([10n, 5n]);
    const denied = await lock([14n, toEnd], { owner: "b", type: "READ_LT" });
    assert.equal(denied.status, "NFS4ERR_DENIED");
    const result = denied.result("LOCK");
    assert.ok(result.status === "NFS4ERR_DENIED");
    assert.deepEqual(
      { ...result.denied, owner: Buffer.from(result.denied.owner.owner).toString() },
      { offset: 10n, length: 5n, locktype: "WRITE_LT", owner: "a" },
    );
    assert.equal((await lock([15n, 1n], { owner: "b" })).status, "NFS4_OK");
    assert.equal((await testLock(10n, 1n)).status, "NFS4ERR_DENIED");
    assert.equal((await testLock(10n, 1n, "a")).status, "NFS4_OK");
    assert.equal((await testLock(9n, 1n)).status, "NFS4_OK");
  });

  it("split when their middle is unlocked, and change kind in place", async () => {
    const first = stateOf(await lock([0n, 100n]));
    assert.equal((await unlock(first, 40n, 20n)).status, "NFS4_OK");
    assert.equal((await testLock(40n, 20n)).status, "NFS4_OK");
    assert.equal((await testLock(39n, 1n)).status, "NFS4ERR_DENIED");
    assert.equal((await testLock(60n, 1n)).status, "NFS4ERR_DENIED");
    assert.equal((await lock([0n, 20n], { type: "READ_LT" })).status, "NFS4_OK");
    assert.equal((await testLock(0n, 20n, "b", "READ_LT")).status, "NFS4_OK");
    assert.equal((await testLock(20n, 1n, "b", "READ_LT")).status, "NFS4ERR_DENIED");
  });

  it("count their stateid, whose old values are refused", async () => {
    const first = stateOf(await lock([0n, 1n]));
    const second = stateOf(await lock([1n, 1n]));
    assert.deepEqual(second.other, first.other);
    assert.equal(second.seqid, first.seqid + 1);
    assert.equal((await unlock(first, 0n, 1n)).status, "NFS4ERR_OLD_STATEID");
    const { lock_stateid } = (await unlock(second, 0n, toEnd)).ok("LOCKU");
    assert.equal(lock_stateid.seqid, second.seqid + 1);
  });

  it("go with the open they belong to", async () => {
    await lock([0n, toEnd]);
    const close = op("CLOSE", { seqid: 0, open_stateid: file.stateid });
    await client.ok([putFh(file.fh), close]);
    assert.equal((await testLock(0n, toEnd)).status, "NFS4_OK");
    assert.equal(world.server.figures.locks, 0);
  });

  it("need an open of their kind", async () => {
    const open = (await openFile(client, root, "f", { access: "READ", owner: "reader" })).stateid;
    assert.equal((await lock([0n, 1n], { open, owner: "r" })).status, "NFS4ERR_OPENMODE");
    assert.equal((await lock([0n, 1n], { open, owner: "r", type: "READW_LT" })).status, "NFS4_OK");
  });

  it("refuse empty ranges, ranges past the greatest offset, and reclaims", async () => {
    assert.equal((await lock([0n, 0n])).status, "NFS4ERR_INVAL");
    assert.equal((await lock([toEnd, 2n])).status, "NFS4ERR_INVAL");
    assert.equal((await lock([2n, toEnd - 1n])).status, "NFS4ERR_INVAL");
    assert.equal((await lock([0n, 1n], { reclaim: true })).status, "NFS4ERR_NO_GRACE");
  });

  it("of an expired client give way", async () => {
    await lock([0n, toEnd]);
    const other = await world.mount();
    const { stateid } = await openFile(other, root, "f");
    assert.equal((await lock([0n, 1n], { open: stateid }, other)).status, "NFS4ERR_DENIED");
    await world.clock.advance(15_000);
    await other.ok([]);
    await world.clock.advance(15_000);
    assert.equal((await lock([0n, 1n], { open: stateid }, other)).status, "NFS4_OK");
  });

  it("of one owner through two opens are one owner's: the last LOCK or LOCKU counts (RFC 8881 §9.5)", async () => {
    const second = await openFile(client, root, "f", { owner: "second" });
    const first = (await lock([0n, 10n])).ok("LOCK").resok4.lock_stateid;
    const other = (await lock([4n, 2n], { open: second.stateid })).ok("LOCK").resok4.lock_stateid;
    assert.notDeepEqual(other.other, first.other);
    // The first stateid has lost two bytes, and its seqid stays.
    const kept = await unlock(first, 9n, 1n);
    assert.equal(kept.ok("LOCKU").lock_stateid.seqid, first.seqid + 1);
    await closeFile(client, second);
    const stranger = await world.mount();
    const theirs = await openFile(stranger, root, "f", { owner: "theirs" });
    const ask = (at: bigint) => lock([at, 1n], { open: theirs.stateid, owner: "theirs" }, stranger);
    assert.equal((await ask(4n)).status, "NFS4_OK");
    assert.equal((await ask(3n)).status, "NFS4ERR_DENIED");
    assert.equal((await ask(6n)).status, "NFS4ERR_DENIED");
    assert.equal((await ask(9n)).status, "NFS4_OK");
  });

  it("through several opens are what a table of bytes says, whatever is locked and unlocked through which", async () => {
    const opens = [file, await openFile(client, root, "f", { owner: "second" })];
    const stranger = await world.mount();
    const size = 12;
    const step = fc.record({
      through: fc.nat(1),
      first: fc.nat(size - 1),
      length: fc.integer({ min: 1, max: size }),
      type: fc.constantFrom("READ_LT", "WRITE_LT", undefined),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const bytes: (LockType | undefined)[] = Array(size).fill(undefined);
        const states: (stateid4 | undefined)[] = [undefined, undefined];
        for (const { through, first, length, type } of steps) {
          const range = [BigInt(first), BigInt(Math.min(length, size - first))] as const;
          const state = states[through];
          if (type === undefined) {
            if (state === undefined) continue;
            states[through] = (await unlock(state, ...range)).ok("LOCKU").lock_stateid;
          } else {
            const open = opens[through]?.stateid ?? file.stateid;
            states[through] = (await lock(range, { type, open })).ok("LOCK").resok4.lock_stateid;
          }
          bytes.fill(type, first, first + Number(range[1]));
        }
        for (const [at, type] of bytes.entries()) {
          const owner = { clientid: 0n, owner: Buffer.from("stranger") };
          const args = { locktype: "WRITE_LT", offset: BigInt(at), length: 1n, owner } as const;
          const answer = await stranger.call([putFh(file.fh), op("LOCKT", args)]);
          const result = answer.result("LOCKT");
          const found = result.status === "NFS4ERR_DENIED" ? result.denied.locktype : undefined;
          assert.equal(found, type, `byte ${at}`);
        }
        for (const state of states) {
          const whole = [0n, BigInt(size)] as const;
          if (state !== undefined) await unlock({ ...state, seqid: 0 }, ...whole);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("take a stateid of the wrong kind or file for a bad one, whatever its seqid", async () => {
    const first = (await lock([0n, 1n])).ok("LOCK").resok4.lock_stateid;
    const held = (await lock([5n, 1n])).ok("LOCK").resok4.lock_stateid;
    const opened = { ...file.stateid, seqid: 0xffff };
    const older = { ...file.stateid, seqid: file.stateid.seqid };
    await openFile(client, root, "f");
    for (const stateid of [opened, older, { ...older, seqid: 0 }]) {
      assert.equal((await unlock(stateid, 0n, 1n)).status, "NFS4ERR_BAD_STATEID");
    }
    for (const open_stateid of [first, held, { ...held, seqid: 0 }]) {
      const close = op("CLOSE", { seqid: 0, open_stateid });
      assert.equal((await client.call([putFh(file.fh), close])).status, "NFS4ERR_BAD_STATEID");
    }
    const unlocked = { locktype: "WRITE_LT", seqid: 0, offset: 0n, length: 1n } as const;
    const elsewhere = op("LOCKU", { ...unlocked, lock_stateid: first });
    assert.equal((await client.call([putFh(root), elsewhere])).status, "NFS4ERR_BAD_STATEID");
    assert.equal((await unlock(first, 0n, 1n)).status, "NFS4ERR_OLD_STATEID");
  });

  it("ignore the client ID and the sequence numbers of their requests", async () => {
    const range = { locktype: "WRITE_LT", reclaim: false, offset: 0n, length: 1n } as const;
    const lock_owner = { clientid: 0xffff_ffff_ffff_ffffn, owner: Buffer.from("a") };
    const open_owner = { open_seqid: 7, open_stateid: file.stateid, lock_seqid: 9, lock_owner };
    const locker = { new_lock_owner: true, open_owner } as const;
    const held = await client.ok([putFh(file.fh), op("LOCK", { ...range, locker })]);
    const { lock_stateid } = held.ok("LOCK").resok4;
    const known = { new_lock_owner: false, lock_owner: { lock_stateid, lock_seqid: 77 } } as const;
    await client.ok([putFh(file.fh), op("LOCK", { ...range, offset: 1n, locker: known })]);
    const own = { locktype: "READ_LT", offset: 0n, length: 5n, owner: lock_owner } as const;
    assert.equal((await client.call([putFh(file.fh), op("LOCKT", own)])).status, "NFS4_OK");
    const unlocked = { locktype: "READW_LT", seqid: 5, offset: 0n, length: toEnd } as const;
    const current = { seqid: 0, other: lock_stateid.other };
    await client.ok([putFh(file.fh), op("LOCKU", { ...unlocked, lock_stateid: current })]);
  });

  it("are tested and freed by their stateids", async () => {
    const held = stateOf(await lock([0n, 1n]));
    const free = (stateid: stateid4) => client.call([op("FREE_STATEID", { fsa_stateid: stateid })]);
    assert.equal((await free(held)).status, "NFS4ERR_LOCKS_HELD");
    assert.equal((await free(file.stateid)).status, "NFS4ERR_LOCKS_HELD");
    const unlocked = (await unlock(held, 0n, 1n)).ok("LOCKU").lock_stateid;
    const unknown = { seqid: 1, other: Buffer.alloc(12, 5) };
    const special = { seqid: 0, other: Buffer.alloc(12) };
    const ts_stateids = [file.stateid, held, unlocked, unknown, special];
    const tested = await client.ok([op("TEST_STATEID", { ts_stateids })]);
    assert.deepEqual(tested.ok("TEST_STATEID").tsr_resok4.tsr_status_codes, [
      "NFS4_OK",
      "NFS4ERR_OLD_STATEID",
      "NFS4_OK",
      "NFS4ERR_BAD_STATEID",
      "NFS4ERR_BAD_STATEID",
    ]);
    assert.equal((await free(unlocked)).status, "NFS4_OK");
    assert.equal((await free(unlocked)).status, "NFS4ERR_BAD_STATEID");
  });

  it("work as a list of ranges exactly as a byte-by-byte table does", () => {
    const size = 40;
    const step = fc.record({
      first: fc.integer({ min: 0, max: size - 1 }),
      length: fc.integer({ min: 1, max: size }),
      kind: fc.constantFrom("read", "write", "unlock"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let ranges: ReturnType<typeof add> = [];
        const table = new Array<string>(2 * size).fill("unlock");
        for (const { first, length, kind } of steps) {
          const range = byteRange(BigInt(first), BigInt(length), kind === "write");
          assert.ok(range);
          ranges = kind === "unlock" ? subtract(ranges, range) : add(ranges, range);
          table.fill(kind, first, first + length);
        }
        const seen = new Array<string>(2 * size).fill("unlock");
        for (const [at, range] of ranges.entries()) {
          const next = ranges[at + 1];
          assert.ok(range.first <= range.last);
          assert.ok(next === undefined || range.last < next.first);
          seen.fill(range.write ? "write" : "read", Number(range.first), Number(range.last) + 1);
        }
        assert.deepEqual(seen, table);
      }),
    );
  });
});
