import assert from "node:assert/strict";
import { Channels, channel } from "../../../src/nfs4/state/channels.ts";
import type { RpcPeer } from "../../../src/rpc/program.ts";

/** A connection that counts who waits for its end. */
class Peer implements RpcPeer {
  readonly id = 1;
  closed = false;
  readonly waiting: (() => void)[] = [];

  onClose(run: () => void): void {
    this.waiting.push(run);
  }

  close(): void {
    this.closed = true;
    for (const run of this.waiting.splice(0)) run();
  }
}

describe("Channels", () => {
  it("of a session lose a connection that is closed, and only that", () => {
    const [one, two] = [new Peer(), new Peer()];
    const sessions = [new Channels(), new Channels()];
    for (const session of sessions) session.associate(one, channel.fore);
    sessions[0]?.associate(two, channel.both);
    one.close();
    assert.deepEqual(
      sessions.map((session) => [session.of(one), session.of(two), session.isEmpty]),
      [
        [0, channel.both, false],
        [0, 0, true],
      ],
    );
    sessions[1]?.associate(one, channel.fore);
    assert.equal(sessions[1]?.isEmpty, true);
  });

  it("leave nothing with a connection that sessions come and go on", () => {
    const peer = new Peer();
    for (let at = 0; at < 1000; at += 1) {
      const session = new Channels();
      session.associate(peer, channel.fore);
      session.end();
      assert.equal(session.isEmpty, true);
    }
    assert.equal(peer.waiting.length, 1);
  });
});
