import assert from "node:assert/strict";
import type { NfsClient } from "../support/nfs-client.ts";
import { mkdir, namesIn, putFh, rootOf } from "../support/nfs-files.ts";
import { op } from "../support/nfs-operations.ts";
import { NfsWorld } from "../support/nfs-world.ts";

type Wish = "CDFC4_FORE" | "CDFC4_BACK" | "CDFC4_FORE_OR_BOTH" | "CDFC4_BACK_OR_BOTH";

describe("A connection", () => {
  let world: NfsWorld;
  let client: NfsClient;
  beforeEach(async () => {
    world = new NfsWorld();
    client = await world.mount();
  });
  afterEach(() => world.end());

  const bind = (connection: NfsClient, bctsa_dir: Wish) =>
    connection.compound([
      op("BIND_CONN_TO_SESSION", {
        bctsa_sessid: client.session.sessionId,
        bctsa_dir,
        bctsa_use_conn_in_rdma_mode: false,
      }),
    ]);
  const destroy = () => op("DESTROY_SESSION", { dsa_sessionid: client.session.sessionId });

  it("gets the answer to each request that came on it, a retransmission while the first is executed too", async () => {
    const root = await rootOf(client);
    const held = world.hold("createNode");
    const first = client.call([putFh(root), mkdir("a")], { slot: 3 });
    await held.reached;
    const second = world.reconnect(client.session);
    const again = second.call([putFh(root), mkdir("a")], { slot: 3, sequenceId: 1 });
    const third = client.call([putFh(root), mkdir("a")], { slot: 3, sequenceId: 1 });
    held.release();
    const answers = await Promise.all([first, again, third]);
    for (const { status, bytes } of answers) {
      assert.equal(status, "NFS4_OK");
      assert.deepEqual(bytes, answers[0]?.bytes);
    }
    assert.deepEqual(await namesIn(client, root), ["a"]);
  });

  it("is associated with the channels that it asks for", async () => {
    const answers = {
      CDFC4_FORE: "CDFS4_FORE",
      CDFC4_BACK: "CDFS4_BACK",
      CDFC4_FORE_OR_BOTH: "CDFS4_FORE",
      CDFC4_BACK_OR_BOTH: "CDFS4_BOTH",
    } as const;
    for (const [wish, direction] of Object.entries(answers)) {
      const { bctsr_resok4 } = (await bind(world.connect(), wish as Wish)).ok(
        "BIND_CONN_TO_SESSION",
      );
      assert.equal(bctsr_resok4.bctsr_dir, direction);
      assert.equal(bctsr_resok4.bctsr_use_conn_in_rdma_mode, false);
    }
  });

  it("that is associated already may say so again, but not change its channels", async () => {
    assert.equal((await bind(client, "CDFC4_FORE")).status, "NFS4_OK");
    assert.equal((await bind(client, "CDFC4_FORE_OR_BOTH")).status, "NFS4_OK");
    assert.equal((await bind(client, "CDFC4_BACK")).status, "NFS4ERR_INVAL");
    const both = world.connect();
    const asked = (await bind(both, "CDFC4_BACK_OR_BOTH")).ok("BIND_CONN_TO_SESSION");
    assert.equal(asked.bctsr_resok4.bctsr_dir, "CDFS4_BOTH");
    const kept = (await bind(both, "CDFC4_FORE_OR_BOTH")).ok("BIND_CONN_TO_SESSION");
    assert.equal(kept.bctsr_resok4.bctsr_dir, "CDFS4_BOTH");
    assert.equal((await bind(both, "CDFC4_FORE")).status, "NFS4ERR_INVAL");
  });

  it("that is bound must be so alone in its compound, to a session that exists", async () => {
    const args = {
      bctsa_sessid: client.session.sessionId,
      bctsa_dir: "CDFC4_FORE",
      bctsa_use_conn_in_rdma_mode: false,
    } as const;
    const alone = op("BIND_CONN_TO_SESSION", args);
    assert.equal((await client.compound([alone, alone])).status, "NFS4ERR_NOT_ONLY_OP");
    assert.equal((await client.call([alone])).status, "NFS4ERR_NOT_ONLY_OP");
    const unknown = op("BIND_CONN_TO_SESSION", { ...args, bctsa_sessid: Buffer.alloc(16) });
    assert.equal((await client.compound([unknown])).status, "NFS4ERR_BADSESSION");
  });

  it("of another session does not end a session that has connections of its own", async () => {
    const stranger = await world.mount();
    const answer = await stranger.compound([destroy()]);
    assert.equal(answer.status, "NFS4ERR_CONN_NOT_BOUND_TO_SESSION");
    assert.equal((await stranger.call([destroy()])).status, "NFS4ERR_CONN_NOT_BOUND_TO_SESSION");
    assert.equal((await client.call([])).status, "NFS4_OK");
  });

  it("is associated by its first SEQUENCE, and may end the session then", async () => {
    const second = world.reconnect(client.session);
    assert.equal((await second.compound([destroy()])).status, "NFS4ERR_CONN_NOT_BOUND_TO_SESSION");
    await second.ok([]);
    assert.equal((await second.compound([destroy()])).status, "NFS4_OK");
  });

  it("may end a session whose own connections are gone", async () => {
    client.destroy();
    await new Promise(setImmediate);
    assert.equal((await world.connect().compound([destroy()])).status, "NFS4_OK");
  });
});
