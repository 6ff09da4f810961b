import { childText, parseXml } from "./parse-xml.ts";

/** The tags of a GetObjectTagging answer as `x-amz-tagging` spells them, `""` for none; undefined for no such answer. */
export function parseTags(document: string): string | undefined {
  const root = parseXml(document);
  const set = root?.children.find(({ name }) => name === "TagSet");
  if (set === undefined) return undefined;
  const pairs = set.children.map((tag) => {
    const [key = "", value = ""] = [childText(tag, "Key"), childText(tag, "Value")];
    return `${encodeURIComponent(key)}=${encodeURIComponent(value)}`;
  });
  return pairs.join("&");
}
