import { XMLParser, XMLValidator } from "fast-xml-parser";
import { S3Error } from "./error.ts";

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: true,
  ignoreDeclaration: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: true,
  htmlEntities: true,
});

/** One parsed element: text and children by name. */
export class XmlNode {
  readonly #children: readonly Record<string, unknown>[];
  constructor(children: readonly Record<string, unknown>[]) {
    this.#children = children;
  }

  /** All children called `name`, in order. */
  all(name: string): XmlNode[] {
    return this.#children
      .filter((child) => Array.isArray(child[name]))
      .map((child) => new XmlNode(child[name] as Record<string, unknown>[]));
  }

  /** Text of the first child called `name`, or undefined when there is none. */
  text(name: string): string | undefined {
    return this.all(name)[0]?.ownText();
  }

  /** @throws {S3Error} MalformedXML when the child is missing. */
  required(name: string): string {
    const text = this.text(name);
    if (text === undefined) throw new S3Error("MalformedXML");
    return text;
  }

  /** The text directly in this element. */
  ownText(): string {
    return this.#children
      .map((child) => (typeof child["#text"] === "string" ? child["#text"] : ""))
      .join("");
  }
}

/**
 * Parses a request document and returns its root, which must be called `root`.
 * @throws {S3Error} MalformedXML.
 */
export function parseXml(body: Buffer, root: string): XmlNode {
  const text = body.toString("utf8");
  if (text.includes("<!DOCTYPE") || XMLValidator.validate(text) !== true) {
    throw new S3Error("MalformedXML");
  }
  const found = new XmlNode(parser.parse(text) as Record<string, unknown>[]).all(root)[0];
  if (found === undefined) throw new S3Error("MalformedXML");
  return found;
}
