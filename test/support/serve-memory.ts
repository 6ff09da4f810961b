/** Serves a file system in memory on 127.0.0.1 at the port of the first argument, until it is killed. */
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { systemClock } from "../../src/base/clock.ts";
import { jsonLog } from "../../src/base/log.ts";
import { NfsServer } from "../../src/nfs4/nfs-server.ts";
import { MemoryFileSystem } from "../fakes/memory-file-system.ts";
import { MemoryStateStore } from "../fakes/memory-state-store.ts";

const store = new MemoryStateStore();
const fileSystem = new MemoryFileSystem({ clock: systemClock, undoLog: store });
const log = jsonLog({ level: "info", fields: {} }, (line) => process.stderr.write(line));
const server = new NfsServer({}, { store, fileSystem, clock: systemClock, log, randomBytes });

createServer((socket) => server.accept(socket)).listen(Number(process.argv[2]), "127.0.0.1", () =>
  process.stdout.write("serving\n"),
);
