import assert from "node:assert/strict";
import { parseListPage } from "../../../src/s3/listing.ts";
import { childText, parseXml } from "../../../src/s3/parse-xml.ts";

function page(content: string) {
  const root = parseXml(`<ListBucketResult>${content}</ListBucketResult>`);
  assert.ok(root);
  return parseListPage(root);
}

const contents = (key: string, more = "") =>
  `<Contents><Key>${key}</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size>${more}</Contents>`;

describe("parseXml", () => {
  it("reads elements, entities, CDATA and empty elements, and passes over the rest", () => {
    const root = parseXml(
      ` \n<?xml version="1.0"?>\n<!-- <no> --><x:Error xmlns:x="u"><Code>A&amp;B&#34;&#x1F600;</Code><Message a="b"><![CDATA[<raw>&amp;]]></Message><Empty/></x:Error>\n`,
    );
    assert.equal(root?.name, "Error");
    assert.equal(root && childText(root, "Code"), 'A&B"\u{1f600}');
    assert.equal(root && childText(root, "Message"), "<raw>&amp;");
    assert.equal(root && childText(root, "Empty"), "");
    assert.equal(root && childText(root, "Missing"), undefined);
  });

  it("refuses what is cut off, not nested right, or no XML", () => {
    const wrong = [
      "",
      "text",
      "<a>",
      "<a><b></a></b>",
      "<a></a><b></b>",
      "<a",
      "</a>",
      "<a><!-- </a>",
    ];
    for (const text of wrong) assert.equal(parseXml(text), undefined, text);
    assert.equal(parseXml(`${"<a>".repeat(100)}${"</a>".repeat(100)}`), undefined);
  });
});

describe("parseListPage", () => {
  it("decodes names, and cuts times to the seconds that a HEAD gives", () => {
    const found = page(
      `<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${contents("a+b%2B%25%C3%BC/%0A")}<CommonPrefixes><Prefix>p+q/</Prefix></CommonPrefixes>`,
    );
    assert.deepEqual(found, {
      objects: [
        {
          ...{ key: "a b+%ü/\n", etag: '"e"', sizeBytes: 7 },
          lastModifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5),
        },
      ],
      prefixes: ["p q/"],
      skipped: 0,
    });
  });

  it("takes names as they are from a store that does not encode them", () => {
    assert.equal(page(contents("a+b%2B"))?.objects[0]?.key, "a+b%2B");
  });

  it("counts keys that are not UTF-8 instead of failing", () => {
    const found = page(`<EncodingType>url</EncodingType>${contents("a%FF")}${contents("b")}`);
    assert.equal(found?.skipped, 1);
    assert.deepEqual(
      found?.objects.map(({ key }) => key),
      ["b"],
    );
  });

  it("refuses a cut listing without a way on: its end would look like deletions", () => {
    assert.equal(page(`<IsTruncated>true</IsTruncated>${contents("a")}`), undefined);
    const whole = page(
      `<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>${contents("a")}`,
    );
    assert.equal(whole?.nextToken, "t");
  });

  it("names no storage class for STANDARD, as HEAD does", () => {
    const found = page(
      contents("a", "<StorageClass>STANDARD</StorageClass>") +
        contents("b", "<StorageClass>GLACIER</StorageClass>"),
    );
    assert.deepEqual(
      found?.objects.map(({ storageClass }) => storageClass),
      [undefined, "GLACIER"],
    );
  });
});
