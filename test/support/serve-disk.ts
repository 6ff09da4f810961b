/**
 * Serves the file system on disk, without a bucket, on 127.0.0.1: `serve-disk.ts <port> <folder>`, until it is killed. For
 * comparisons: what S3 adds is not in it.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { systemClock } from "../../src/base/clock.ts";
import { jsonLog } from "../../src/base/log.ts";
import { WritesInFlight } from "../../src/cache/in-flight.ts";
import { VolumeState } from "../../src/cache/volume-state.ts";
import { createFileSystem } from "../../src/filesystem/create-file-system.ts";
import { NfsServer } from "../../src/nfs4/nfs-server.ts";
import type { Synchroniser } from "../../src/sync/synchroniser.ts";

const [port = "2049", folder = ""] = process.argv.slice(2);
const clock = systemClock;
const log = jsonLog({ level: "info", fields: {} }, (line) => process.stderr.write(line));
const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
const state = new VolumeState({ folder, prefix: "", bootId, log });
const writes = new WritesInFlight({ maxStagedBytes: 16 << 20 });
const nothing = () => undefined;
const noBucket = () => Promise.reject(new Error("There is no bucket"));
const synchroniser: Synchroniser = {
  directoryReady: nothing,
  subtreeReady: nothing,
  linksReady: nothing,
  attributesReady: nothing,
  openReady: nothing,
  openFresh: nothing,
  exported: nothing,
  fetch: noBucket,
  readThrough: noBucket,
  changed: nothing,
};
const fileSystem = createFileSystem(
  {
    volumeId: "disk",
    readOnly: false,
    cacheMode: "full",
    uid: 0,
    gid: 0,
    fileMode: 0o644,
    dirMode: 0o755,
  },
  { state, synchroniser, writes, clock, log },
);
const server = new NfsServer({}, { store: state.db, fileSystem, clock, log, randomBytes });

createServer((socket) => server.accept(socket)).listen(Number(port), "127.0.0.1", () =>
  process.stdout.write("serving\n"),
);
