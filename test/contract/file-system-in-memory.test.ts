import { FakeClock } from "../fakes/fake-clock.ts";
import { MemoryFileSystem } from "../fakes/memory-file-system.ts";
import { MemoryStateStore } from "../fakes/memory-state-store.ts";
import type { FileSystemCase } from "../support/file-system-driver.ts";
import { fileSystemContract } from "./file-system.ts";

const open = (): Promise<FileSystemCase> => {
  const store = new MemoryStateStore();
  const fileSystem = new MemoryFileSystem({ clock: new FakeClock(), undoLog: store });
  return Promise.resolve({
    fileSystem,
    transaction: <T>(run: () => T): T => store.transaction(run),
    close: () => Promise.resolve(),
  });
};

fileSystemContract("in memory", open, { limits: false });
