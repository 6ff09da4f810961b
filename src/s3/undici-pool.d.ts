// The pool alone: all of undici (fetch, web sockets, caches) costs 200 ms of a server's restart, which pods wait for.
declare module "undici/lib/dispatcher/pool.js" {
  import type { Pool } from "undici";

  const pool: { new (...args: ConstructorParameters<typeof Pool>): Pool };
  // biome-ignore lint/style/noDefaultExport: what a CommonJS module exports is the default of its import
  export default pool;
}
