/** An element of an XML document: its character data and its children in order. */
export interface XmlElement {
  readonly name: string;
  /** Character data directly in the element, entities decoded. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface OpenElement extends XmlElement {
  text: string;
  readonly children: XmlElement[];
}

const named: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

const maxDepth = 32;

function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (all, entity: string) => {
    if (!entity.startsWith("#")) return named[entity] ?? all;
    const hex = entity[1] === "x" || entity[1] === "X";
    const code = Number.parseInt(entity.slice(hex ? 2 : 1), hex ? 16 : 10);
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

/**
 * The root element of a document; undefined when it is not well-formed XML. Attributes, comments, processing
 * instructions and document types are passed over; names keep no namespace prefix.
 * By hand, because a listing of 1,000 keys is parsed on the thread that serves NFS.
 */
export function parseXml(document: string): XmlElement | undefined {
  const stack: OpenElement[] = [{ name: "", text: "", children: [] }];
  let at = 0;
  while (at < document.length) {
    const top = stack.at(-1);
    if (top === undefined) return undefined;
    const open = document.indexOf("<", at);
    if (open === -1) break;
    if (open > at) top.text += decodeEntities(document.slice(at, open));
    if (document.startsWith("<![CDATA[", open)) {
      const end = document.indexOf("]]>", open);
      if (end === -1) return undefined;
      top.text += document.slice(open + 9, end);
      at = end + 3;
      continue;
    }
    const close = document.startsWith("<!--", open)
      ? document.indexOf("-->", open) + 2
      : document.indexOf(">", open);
    if (close <= open) return undefined;
    at = close + 1;
    const mark = document[open + 1];
    if (mark === "?" || mark === "!") continue;
    if (mark === "/") {
      stack.pop();
      if (localName(document.slice(open + 2, close)) !== top.name || stack.length === 0) {
        return undefined;
      }
      continue;
    }
    const isEmpty = document[close - 1] === "/";
    const name = localName(document.slice(open + 1, isEmpty ? close - 1 : close));
    const element: OpenElement = { name, text: "", children: [] };
    top.children.push(element);
    if (!isEmpty) stack.push(element);
    if (stack.length > maxDepth) return undefined;
  }
  const [root] = stack;
  return stack.length === 1 && root?.children.length === 1 ? root.children[0] : undefined;
}

function localName(tag: string): string {
  const end = tag.search(/\s/);
  const name = end === -1 ? tag : tag.slice(0, end);
  return name.slice(name.indexOf(":") + 1);
}

/** The text of the first child of that name. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}
