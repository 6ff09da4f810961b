import assert from "node:assert/strict";
import { freshNode, isOneFile, objects, records } from "./link-support.ts";
import { TestVolume } from "./test-volume.ts";

const failpoints = [
  "sync.frozen",
  "sync.uploaded",
  "sync.recorded",
  "sync.linkJournalled",
  "sync.linkWritten",
  "sync.linkRecorded",
  "sync.deleted",
];

describe("the record of a file with several names", () => {
  it("that cannot be read is left alone, and keeps nothing else from being seen", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.hardLink("a", "b");
    await volume.flush();
    const [key = ""] = volume.bucket.keys().filter((each) => each.startsWith(".s3files/"));
    for (const text of ["", "{", '{"format":2}', '{"format":1,"primary":"../x","names":[]}']) {
      volume.bucket.putObject(key, text);
      await using other = await freshNode(volume);
      assert.deepEqual(await other.refresh(), ["a"], text);
      await other.hardLink("a", "c");
      await other.flush();
      await other.remove("c");
      await other.flush();
      assert.equal(volume.bucket.text(key), text);
    }
  });

  it("of which a request had no answer is remembered for as long as that may arrive", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.flush();
    await volume.hardLink("a", "b");
    volume.faults.add({ key: /links/, operation: "put", times: 1, action: { kind: "lose" } });
    await volume.engine.flush();
    await volume.flush();
    const day = 24 * 3_600_000;
    const nowMs = Number(volume.clock.nowNs() / 1_000_000n);
    assert.equal(volume.state.links.inDoubt(nowMs - day), 1);
    assert.equal(volume.state.links.inDoubt(nowMs + 1), 0);
  });

  it("counts as pending until it is written, and says why it is not", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.flush();
    await volume.hardLink("a", "b");
    assert.equal(volume.engine.status().pendingFiles, 1);
    const denied = volume.faults.add({ key: /links/, operation: "put", action: { kind: "fail" } });
    const { pendingFiles, errors } = await volume.engine.flush();
    assert.equal(pendingFiles, 1);
    assert.match(errors[0]?.key ?? "", /^\.s3files\/links\//);
    denied.remove();
    await volume.flush();
    assert.equal(volume.engine.status().pendingFiles, 0);
    assert.deepEqual(volume.engine.status().problems, []);
  });
});

describe("a file with several names that two nodes change", () => {
  it("keeps its content under a name that another node gave it before the first was replaced", async () => {
    for (const replace of ["create", "rename"]) {
      await using volume = await new TestVolume().start();
      await volume.write("a", "content");
      await volume.flush();
      await using other = await freshNode(volume);
      await other.hardLink("a", "b");
      await other.hardLink("a", "c");
      await other.flush();
      await volume.clock.advance(6000);
      await volume.remove("a");
      await volume.write(replace === "create" ? "a" : "t", "new file");
      if (replace === "rename") await volume.rename("t", "a");
      await volume.flush();
      for (const node of [volume, other]) {
        await node.refresh();
        assert.equal(await node.text("a"), "new file");
        await isOneFile(node, ["b", "c"], "content", replace);
      }
      assert.deepEqual(objects(volume), ["a", "b"]);
    }
  });

  it("keeps the name that it was given and edited under, whatever has come to the old one", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.hardLink("a", "b");
    await volume.flush();
    await volume.rename("a", "z");
    await volume.patch("z", 0, "EDIT");
    volume.bucket.putObject("a", "theirs");
    for (let round = 0; round < 2; round++) {
      await volume.flush();
      await volume.refresh();
    }
    await isOneFile(volume, ["b", "z"], "EDITent");
    assert.equal(await volume.text("a"), "theirs");
    assert.deepEqual(records(volume), [{ primary: "z", names: ["b"] }]);
    assert.deepEqual(await volume.lost(), []);
  });

  it("keeps that name also when bytes of it went with the old object", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.hardLink("a", "b");
    await volume.flush();
    await using other = await freshNode(volume);
    await other.list();
    await other.rename("a", "z");
    await other.patch("z", 0, "EDIT");
    volume.bucket.putObject("a", "theirs");
    await other.engine.flush();
    await other.refresh();
    assert.deepEqual(await other.list(), ["a", "b", "z"]);
    assert.equal((await other.attributes("z")).inode, (await other.attributes("b")).inode);
    assert.equal(await other.text("a"), "theirs");
    // Whoever writes the bytes that are lost has the file again.
    await other.patch("b", 0, "EDITED!");
    await other.flush();
    await isOneFile(other, ["b", "z"], "EDITED!");
    assert.equal(volume.bucket.text("a"), "theirs");
    assert.equal(volume.bucket.text("z"), "EDITED!");
  });

  it("is moved to its new first name also when it has become a symlink meanwhile", async () => {
    await using volume = await new TestVolume().start();
    await volume.write("a", "content");
    await volume.hardLink("a", "b");
    await volume.flush();
    await volume.rename("a", "z");
    const metadata = { "file-permissions": "0120777" };
    volume.bucket.putObject("a", "target", { metadata });
    await volume.flush();
    await volume.refresh();
    await volume.flush();
    assert.deepEqual(objects(volume), ["z"]);
    assert.deepEqual(records(volume), [{ primary: "z", names: ["b"] }]);
    for (const name of ["b", "z"]) assert.equal(await volume.readLink(name), "target");
  });

  it("keeps an edit under the names that it has when another node took its first one", async () => {
    for (const names of [["b"], ["b", "c"]]) {
      for (const isListed of [false, true]) {
        await using volume = await new TestVolume().start();
        await volume.write("a", "content");
        for (const name of names) await volume.hardLink("a", name);
        await volume.flush();
        await using other = await freshNode(volume);
        await other.refresh();
        await other.remove("a");
        await other.flush();
        await volume.patch("b", 0, "EDIT");
        if (isListed) await volume.refresh();
        for (let round = 0; round < 2; round++) {
          await volume.flush();
          for (const node of [volume, other]) await node.refresh();
        }
        for (const node of [volume, other]) {
          await isOneFile(node, names, "EDITent", `${names} ${isListed}`);
          assert.deepEqual(await node.list(), names);
        }
        assert.deepEqual(objects(volume), ["b"]);
      }
    }
  });
});

describe("a crash with a file of several names", () => {
  const histories: readonly {
    readonly what: string;
    readonly before: (volume: TestVolume) => Promise<void>;
    readonly change: (volume: TestVolume) => Promise<void>;
    /** The names that the file had, and those that it has after the change. */
    readonly had: readonly string[];
    readonly has: readonly string[];
  }[] = [
    {
      what: "when a name is added",
      before: (volume) => volume.hardLink("a", "b"),
      change: (volume) => volume.hardLink("a", "c"),
      had: ["a", "b"],
      has: ["a", "b", "c"],
    },
    {
      what: "when the first name goes and two are left",
      before: async (volume) => {
        await volume.hardLink("a", "b");
        await volume.hardLink("a", "c");
      },
      change: (volume) => volume.remove("a"),
      had: ["a", "b", "c"],
      has: ["b", "c"],
    },
    {
      what: "when the first name goes and one is left",
      before: (volume) => volume.hardLink("a", "b"),
      change: (volume) => volume.remove("a"),
      had: ["a", "b"],
      has: ["b"],
    },
    {
      what: "when the first name is renamed",
      before: (volume) => volume.hardLink("a", "b"),
      change: (volume) => volume.rename("a", "z"),
      had: ["a", "b"],
      has: ["z", "b"],
    },
    {
      what: "when all names go",
      before: (volume) => volume.hardLink("a", "b"),
      change: async (volume) => {
        await volume.remove("a");
        await volume.remove("b");
      },
      had: ["a", "b"],
      has: [],
    },
  ];
  for (const { what, before, change, had, has } of histories) {
    it(`${what} loses no name and no byte, at any point`, async () => {
      for (const failpoint of failpoints) {
        // The second time: of the record where the first was of the object, and the other way round.
        for (const nth of failpoint.startsWith("sync.link") ? [1] : [1, 2]) {
          await using volume = await new TestVolume().start();
          await volume.write("a", "content");
          await volume.flush();
          await before(volume);
          await volume.flush();
          await change(volume);
          volume.killAt(failpoint, nth);
          await volume.engine.flush();
          const when = `at ${failpoint} ${nth}`;
          {
            // The node is lost: another one has the bucket alone.
            await using copy = await freshNode(volume);
            const shown = await copy.list();
            for (const path of had.filter((each) => has.includes(each))) {
              assert.ok(shown.includes(path), `${path} is lost ${when}`);
            }
            if (has.length > 0)
              assert.ok(shown.includes("a") || shown.includes(has[0] ?? ""), when);
            for (const path of shown) assert.equal(await copy.text(path), "content", when);
          }
          await volume.restart();
          await volume.flush();
          await volume.flush();
          await using other = await freshNode(volume);
          for (const node of [volume, other]) {
            if (has.length > 0) await isOneFile(node, has, "content", when);
            const shown = (await node.list()).filter((name) => name !== node.lostDirectory);
            assert.deepEqual(shown, [...has].sort(), when);
          }
          assert.equal(records(volume).length, has.length > 1 ? 1 : 0, when);
          assert.deepEqual(await volume.lost(), []);
        }
      }
    });
  }

  it("when another file takes the first name gives it none of the others, at any point", async () => {
    for (const [what, change] of [
      ["replaced", (volume: TestVolume) => volume.rename("new", "a")],
      [
        "removed",
        async (volume: TestVolume) => {
          await volume.remove("b");
          await volume.rename("new", "a");
        },
      ],
    ] as const) {
      for (const failpoint of failpoints) {
        for (const nth of [1, 2, 3]) {
          await using volume = await new TestVolume().start();
          await volume.write("a", "content");
          await volume.hardLink("a", "b");
          await volume.flush();
          await volume.write("new", "other");
          await change(volume);
          volume.killAt(failpoint, nth);
          await volume.engine.flush();
          const when = `${what}, at ${failpoint} ${nth}`;
          {
            await using copy = await freshNode(volume);
            const shown = await copy.list();
            assert.ok(shown.includes("a"), when);
            if (shown.includes("b")) assert.equal(await copy.text("b"), "content", when);
            else assert.equal(what, "removed", when);
          }
          await volume.restart();
          await volume.flush();
          await volume.flush();
          assert.equal(await volume.text("a"), "other", when);
          assert.deepEqual(records(volume), [], when);
          const bytes = volume.bucket.text("b");
          assert.equal(bytes, what === "replaced" ? "content" : undefined, when);
          assert.equal(volume.bucket.text("a"), "other", when);
        }
      }
    }
  });
});
