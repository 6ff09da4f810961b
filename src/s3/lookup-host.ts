import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";

/** Finds the addresses of a host. RFC 6761 §6.3: names below `localhost` are the loopback address, whatever DNS says. */
export const lookupHost: LookupFunction = (hostname, options, callback) => {
  if (!/(?:^|\.)localhost$/i.test(hostname)) {
    lookup(hostname, options, callback);
    return;
  }
  const loopback = { address: "127.0.0.1", family: 4 };
  if (options.all === true) callback(null, [loopback]);
  else callback(null, loopback.address, loopback.family);
};
