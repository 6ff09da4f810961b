import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeHeaderText, encodeHeaderText } from "../../../src/s3/header-text.ts";

const latin1 = (text: string) => Buffer.from(text).toString("latin1");

describe("encodeHeaderText", () => {
  it("leaves printable ASCII as it is", () => {
    for (const value of ["", "1700000000000000000", "a = b; c", "0100644"]) {
      assert.equal(encodeHeaderText(value), value);
    }
  });

  it("makes RFC 2047 words of everything else, each of at most 75 characters", () => {
    assert.equal(encodeHeaderText("ü"), "=?UTF-8?B?w7w=?=");
    for (const word of encodeHeaderText("ж".repeat(100)).split(" ")) assert.ok(word.length <= 75);
  });

  it("makes a header value that decodes to the same text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (value) => {
        const encoded = encodeHeaderText(value);
        assert.match(encoded, /^[ -~]*$/);
        assert.equal(encoded.trim(), encoded);
        assert.equal(decodeHeaderText(encoded), value);
      }),
    );
  });
});

describe("decodeHeaderText", () => {
  it("reads what other clients send: raw UTF-8, raw Latin-1, Q words, words cut within a character", () => {
    assert.equal(decodeHeaderText(latin1("Grüße")), "Grüße");
    assert.equal(decodeHeaderText("Gr\u00fcn"), "Grün");
    assert.equal(decodeHeaderText("=?utf-8?q?Gr=C3=BC=C3=9Fe_an?= alle"), "Grüße an alle");
    assert.equal(decodeHeaderText("=?UTF-8?B?ww==?= =?UTF-8?B?vA==?="), "ü");
  });

  it("leaves alone what only looks like an encoded word", () => {
    for (const value of ["=?", "a=?b?=c", "=?koi8-r?B?w7w=?="]) {
      assert.equal(decodeHeaderText(value), value);
    }
  });
});
