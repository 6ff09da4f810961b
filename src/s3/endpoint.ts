/** How to reach a bucket. */
export interface EndpointOptions {
  readonly bucket: string;
  /** `http` or `https` URL of an S3 store, with a path where the store has one; absent: AWS. */
  readonly endpoint?: string;
  readonly region: string;
  readonly forcePathStyle: boolean;
}

/** Where the requests for one bucket go. */
export interface BucketEndpoint {
  /** Scheme, host and port. */
  readonly origin: string;
  /** The `Host` header. */
  readonly host: string;
  /** Path of the bucket, without a slash at its end: `""` in virtual-host style. */
  readonly basePath: string;
  readonly isTls: boolean;
  /** As messages name it. */
  readonly name: string;
}

/** The URL of AWS S3 in a region. */
export function awsEndpoint(region: string): string {
  return `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

/** @throws {RangeError} when the endpoint is no http or https URL. */
export function resolveEndpoint(options: EndpointOptions): BucketEndpoint {
  const name = options.endpoint ?? awsEndpoint(options.region);
  const url = URL.canParse(name) ? new URL(name) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || url.username !== "") {
    throw new RangeError(`Not an http or https endpoint: ${JSON.stringify(name)}`);
  }
  const isTls = url.protocol === "https:";
  const path = url.pathname.replace(/\/+$/, "");
  // A wildcard certificate covers one label, and an address has no labels at all.
  const isPathStyle =
    options.forcePathStyle || (isTls && options.bucket.includes(".")) || isAddress(url.hostname);
  const host = isPathStyle ? url.host : `${options.bucket}.${url.host}`;
  return {
    origin: `${url.protocol}//${host}`,
    host,
    basePath: isPathStyle ? `${path}/${options.bucket}` : path,
    isTls,
    name,
  };
}

function isAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^[\d.]+$/.test(hostname);
}
