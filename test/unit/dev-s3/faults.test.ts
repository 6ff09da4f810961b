import assert from "node:assert/strict";
import { Faults } from "../../../src/dev-s3/faults.ts";

const reset = { kind: "reset" } as const;

describe("Fault rules of dev-s3", () => {
  it("hit the requests that operation, bucket and key select, and no others", () => {
    const faults = new Faults();
    faults.add({ operation: "PutObject", bucket: "b", key: /^logs\//, action: reset });
    assert.deepEqual(faults.match("PutObject", "b", "logs/1"), [reset]);
    for (const [operation, bucket, key] of [
      ["GetObject", "b", "logs/1"],
      ["PutObject", "c", "logs/1"],
      ["PutObject", "b", "x/logs/1"],
    ] as const) {
      assert.deepEqual(faults.match(operation, bucket, key), []);
    }
  });

  it("count only what they select: nth once, every again and again, times at most", () => {
    const hits = (rule: object) => {
      const faults = new Faults();
      const fault = faults.add({ operation: "PutObject", action: reset, ...rule });
      const pattern = Array.from({ length: 8 }, () => {
        faults.match("HeadObject", "b", "k");
        return faults.match("PutObject", "b", "k").length;
      });
      assert.equal(
        fault.hits,
        pattern.reduce((a, b) => a + b),
      );
      return pattern.join("");
    };
    assert.equal(hits({ nth: 3 }), "00100000");
    assert.equal(hits({ every: 3 }), "00100100");
    assert.equal(hits({ times: 2 }), "11000000");
    assert.equal(hits({ every: 2, times: 3 }), "01010100");
  });

  it("match the same key again and again, also when the expression is global", () => {
    const faults = new Faults();
    faults.add({ key: /a/g, action: reset });
    for (let i = 0; i < 3; i++) assert.equal(faults.match("GetObject", "b", "xa").length, 1);
  });

  it("end when they are removed, disposed or cleared", () => {
    const faults = new Faults();
    const first = faults.add({ action: reset });
    {
      using _second = faults.add({ action: { kind: "blackhole" } });
      assert.equal(faults.match("GetObject", "b", "k").length, 2);
    }
    first.remove();
    faults.add({ action: reset });
    faults.clear();
    assert.deepEqual(faults.match("GetObject", "b", "k"), []);
  });
});
