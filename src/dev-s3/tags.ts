import { S3Error } from "./error.ts";
import { parseXml } from "./parse-xml.ts";
import { decodeUri } from "./request-target.ts";
import { document, element } from "./xml.ts";

type Tags = Readonly<Record<string, string>>;

/** AWS, "Categorizing your objects using tags": letters, digits, spaces and `+ - = . _ : / @`. */
const allowed = /^[\p{L}\p{N}\p{Z}+\-=._:/@]*$/u;

function checked(pairs: readonly (readonly [key: string, value: string])[], most: number): Tags {
  const tags = Object.fromEntries(pairs);
  const wrong = pairs.some(
    ([key, value]) =>
      key === "" ||
      key.length > 128 ||
      value.length > 256 ||
      !allowed.test(key) ||
      !allowed.test(value),
  );
  if (wrong || Object.keys(tags).length !== pairs.length) throw new S3Error("InvalidTag");
  if (pairs.length > most) {
    throw new S3Error("InvalidTag", { message: `There cannot be more than ${most} tags` });
  }
  return tags;
}

/** Parses `x-amz-tagging`, a query string of at most 10 tags. @throws {S3Error} InvalidTag. */
export function parseTagHeader(text: string | undefined): Tags {
  if (text === undefined || text === "") return {};
  const decode = (part: string) => decodeUri(part.replaceAll("+", "%20"));
  const pairs = text.split("&").map((pair) => {
    const equals = pair.indexOf("=");
    return equals === -1
      ? ([decode(pair), ""] as const)
      : ([decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))] as const);
  });
  return checked(pairs, 10);
}

/** Parses a Tagging document. @throws {S3Error} MalformedXML, InvalidTag. */
export function parseTagDocument(body: Buffer, most: number): Tags {
  const sets = parseXml(body, "Tagging").all("TagSet");
  const tags = sets.flatMap((set) => set.all("Tag"));
  return checked(
    tags.map((tag) => [tag.required("Key"), tag.required("Value")]),
    most,
  );
}

/** The Tagging document of tags. */
export function tagDocument(tags: Tags): string {
  const set = Object.entries(tags).map(([key, value]) =>
    element("Tag", [element("Key", key), element("Value", value)]),
  );
  return document(element("Tagging", [element("TagSet", set)]));
}
