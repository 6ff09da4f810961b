/** An XML element: its name and either text (numbers and booleans as S3 writes them) or children. */
export type Element = readonly [name: string, content: Content];
/** `undefined` elements are left out, so that optional ones can be written in place. */
export type Content = string | number | boolean | readonly (Element | undefined)[];

const special = /[&<>"\p{Cc}\ufffe\uffff]/gu;
const names: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** Escapes markup; control characters become references, as S3 writes keys that XML 1.0 cannot hold. */
function escapeText(text: string): string {
  return text.replace(special, (c) => names[c] ?? `&#x${c.charCodeAt(0).toString(16)};`);
}

function render([name, content]: Element, attributes: string): string {
  const inner =
    typeof content === "object"
      ? content.map((child) => (child === undefined ? "" : render(child, ""))).join("")
      : escapeText(String(content));
  return `<${name}${attributes}>${inner}</${name}>`;
}

/** A whole document with S3's namespace on its root. */
export function document(root: Element): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${render(root, ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"')}`;
}

/** An error document: S3 writes it without a namespace. */
export function errorDocument(children: readonly Element[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${render(["Error", children], "")}`;
}

/** One child element. */
export function element(name: string, content: Content): Element {
  return [name, content];
}

/** The element, or nothing when there is no content. */
export function optional(name: string, content: Content | undefined): Element | undefined {
  return content === undefined ? undefined : [name, content];
}
