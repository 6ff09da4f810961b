import { isIP } from "node:net";
import { S3Error } from "./error.ts";

/** Where a request points: bucket and key decoded, path and query also as the client signed them. */
export interface RequestTarget {
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /** The path as sent, percent-encoding included. */
  readonly rawPath: string;
  /** Decoded pairs in the order sent. */
  readonly queryPairs: readonly (readonly [name: string, value: string])[];
}

/** Decodes percent-encoded UTF-8. @throws {S3Error} InvalidURI. */
export function decodeUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new S3Error("InvalidURI", { cause });
  }
}

/**
 * The bucket in the host name, or undefined for path style.
 * Path style: an IP address, a host without dots, an S3 endpoint of AWS, and `domain` itself.
 */
function bucketOfHost(hostHeader: string, domain: string | undefined): string | undefined {
  const host = hostHeader.replace(/:\d+$/, "").toLowerCase();
  if (isIP(host.replace(/^\[|\]$/g, "")) !== 0 || host === domain) return undefined;
  if (domain !== undefined && host.endsWith(`.${domain}`)) return host.slice(0, -domain.length - 1);
  if (/^s3[.-].*amazonaws\.com$/.test(host)) return undefined;
  const amazon = /^(.+)\.s3[.-].*amazonaws\.com$/.exec(host)?.[1];
  if (amazon !== undefined) return amazon;
  if (host.endsWith(".localhost")) return host.slice(0, -".localhost".length);
  const dot = host.indexOf(".");
  return dot === -1 || domain !== undefined ? undefined : host.slice(0, dot);
}

/**
 * Parses request line and Host header.
 * @throws {S3Error} InvalidURI, KeyTooLongError.
 */
export function parseTarget(url: string, host: string, domain: string | undefined): RequestTarget {
  const question = url.indexOf("?");
  const rawPath = question === -1 ? url : url.slice(0, question);
  const queryPairs = (question === -1 ? "" : url.slice(question + 1))
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      const [name, value] =
        equals === -1 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
      const decode = (text: string) => decodeUri(text.replaceAll("+", "%20"));
      return [decode(name), decode(value)] as const;
    });
  const hostBucket = bucketOfHost(host, domain);
  const path = rawPath.replace(/^\//, "");
  const slash = path.indexOf("/");
  const [bucket, rawKey] =
    hostBucket !== undefined
      ? [hostBucket, path]
      : slash === -1
        ? [path, ""]
        : [path.slice(0, slash), path.slice(slash + 1)];
  const key = decodeUri(rawKey);
  if (Buffer.byteLength(key) > 1024) {
    throw new S3Error("KeyTooLongError", {
      elements: { Size: Buffer.byteLength(key), MaxSizeAllowed: 1024 },
    });
  }
  return {
    bucket: bucket === "" ? undefined : decodeUri(bucket),
    key: key === "" ? undefined : key,
    rawPath: rawPath === "" ? "/" : rawPath,
    queryPairs,
  };
}
